//! Names, resolved under guard: what is checked is what is connected to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use hickory_resolver::{TokioResolver, config::LookupIpStrategy};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

use super::address;

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All of them; an error when there is no answer.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failure>>;
}

/// Why a name leads nowhere, as what follows the Connection's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody knows it.
    #[error("names a host that does not resolve")]
    Unknown,
    /// It may not be asked.
    #[error("cannot be used: {0}")]
    Refused(String),
}

/// Why a host is refused, and what to do.
#[must_use]
pub fn refusal(host: &str, what: &str) -> String {
    format!("its url leads to {host}, which is {what}; list the network in its spec.allowAddresses if that is meant")
}

/// Asks the name servers of the machine.
#[derive(Default)]
pub struct System {
    resolver: OnceCell<TokioResolver>,
}

impl System {
    async fn resolver(&self) -> Result<&TokioResolver, Failure> {
        let make = || async {
            let mut builder = TokioResolver::builder_tokio().map_err(|_| Failure::Unknown)?;
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            builder.build().map_err(|_| Failure::Unknown)
        };
        self.resolver.get_or_try_init(make).await
    }
}

impl Lookup for System {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failure>> {
        Box::pin(async move {
            let found = self.resolver().await?.lookup_ip(name).await.map_err(|_| Failure::Unknown)?;
            Ok(found.iter().collect())
        })
    }
}

/// Resolves for one client, and refuses a name that leads where the Connection does not allow.
pub struct Guarded {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<[IpNet]>,
}

impl Guarded {
    /// Allows these networks beside those that nobody has to allow.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, allowed: Vec<IpNet>) -> Self {
        Self { lookup, allowed: allowed.into() }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (self.lookup.clone(), self.allowed.clone());
        Box::pin(async move {
            let addresses = lookup.addresses(name.as_str()).await?;
            // One that is refused among others is a trap, and no address.
            if let Some(what) = addresses.iter().find_map(|address| address::refusal(*address, &allowed)) {
                return Err(Failure::Refused(refusal(name.as_str(), what)).into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
