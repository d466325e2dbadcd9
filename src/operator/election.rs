//! Holding the Lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use api::names::{FIELD_MANAGER, LEASE};
use domain::election::{self, LEASE_DURATION, Next, RETRY_PERIOD, Seen};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::json;
use tokio::{sync::oneshot, time::Instant};

use crate::telemetry::Telemetry;

/// Every request about the Lease ends by then.
const DEADLINE: Duration = Duration::from_millis(800);

/// Whether this replica may advance, for everybody to ask at any time.
#[derive(Clone)]
pub struct Leadership {
    start: Instant,
    /// Milliseconds from the start to the last renewal, plus one; zero while another replica leads.
    renewed: Arc<AtomicU64>,
    /// How often this replica has taken the Lease.
    terms: Arc<AtomicU64>,
}

impl Leadership {
    /// Nobody leads yet.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, renewed: Arc::default(), terms: Arc::default() }
    }

    /// Whether the lease was renewed recently enough that nobody else can hold it.
    #[must_use]
    pub fn may_advance(&self) -> bool {
        self.term().is_some()
    }

    /// Which time it is that this replica leads, while it may advance. Between two of them somebody else may have led.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        let term = self.terms.load(Ordering::SeqCst);
        let renewed = self.renewed.load(Ordering::SeqCst);
        let renewed = renewed.checked_sub(1).map(|milliseconds| self.start + Duration::from_millis(milliseconds));
        renewed.is_some_and(|renewed| election::may_advance(renewed.elapsed())).then_some(term)
    }

    /// Whether it has led without a break since it was this term.
    #[must_use]
    pub fn still_leads(&self, term: Option<u64>) -> bool {
        term.is_some() && self.term() == term
    }

    fn take(&self, asked: Instant) {
        self.terms.fetch_add(1, Ordering::SeqCst);
        self.renew(asked);
    }

    fn renew(&self, asked: Instant) {
        let milliseconds = asked.duration_since(self.start).as_millis();
        self.renewed.store(u64::try_from(milliseconds).unwrap_or(u64::MAX - 1) + 1, Ordering::SeqCst);
    }

    fn lose(&self) {
        self.renewed.store(0, Ordering::SeqCst);
    }
}

/// The election of one replica.
pub struct Election {
    /// Client.
    pub client: Client,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of this replica.
    pub replica: String,
    /// The wall clock, for people who read the Lease.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What others ask.
    pub leadership: Leadership,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
}

/// The record as it was last seen, and since when.
#[derive(Default)]
struct Watched {
    lease: Option<Lease>,
    changed: Option<Instant>,
}

impl Election {
    /// Takes part until `stop`, then gives the lease back if it is ours. `elected` is called at each election.
    pub async fn run(self, mut stop: oneshot::Receiver<()>, elected: impl Fn()) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut watched = Watched::default();
        let mut leads = false;
        loop {
            let asked = Instant::now();
            match tokio::time::timeout(DEADLINE, self.round(&leases, &mut watched)).await {
                Ok(Ok(held @ (Next::Acquire | Next::Renew))) => {
                    // A request that took the Lease and whose answer was late looks like one that renewed it.
                    if held == Next::Acquire || !leads {
                        self.leadership.take(asked);
                    } else {
                        self.leadership.renew(asked);
                    }
                    if !leads {
                        tracing::info!(replica = %self.replica, "leads now");
                        elected();
                    }
                    leads = true;
                }
                Ok(Ok(Next::Wait)) => {
                    if leads {
                        tracing::warn!(replica = %self.replica, "another replica leads now");
                    }
                    self.leadership.lose();
                    leads = false;
                }
                Ok(Err(error)) => tracing::warn!(%error, "cannot read or renew the Lease"),
                Err(_) => tracing::warn!("no answer about the Lease"),
            }
            leads = leads && self.leadership.may_advance();
            self.telemetry.leads(leads);
            tokio::select! {
                () = tokio::time::sleep(RETRY_PERIOD.saturating_sub(asked.elapsed())) => {}
                _ = &mut stop => break,
            }
        }
        if leads {
            self.leadership.lose();
            if let Some(lease) = watched.lease {
                let _ = tokio::time::timeout(DEADLINE, self.write(&leases, &lease, "")).await;
            }
        }
    }

    /// One look at the Lease, and what has been done about it.
    async fn round(&self, leases: &Api<Lease>, watched: &mut Watched) -> kube::Result<Next> {
        let newest = leases.get_opt(LEASE).await?;
        let version = |lease: &Option<Lease>| lease.as_ref().and_then(ResourceExt::resource_version);
        if version(&newest) != version(&watched.lease) || watched.changed.is_none() {
            watched.changed = Some(Instant::now());
        }
        watched.lease = newest;
        let holder = watched.lease.as_ref().and_then(|lease| lease.spec.as_ref()?.holder_identity.clone());
        let seen = Seen {
            holder: holder.filter(|holder| !holder.is_empty()),
            unchanged_for: watched.changed.map_or(Duration::ZERO, |changed| changed.elapsed()),
        };
        let next = election::next(&self.replica, &seen);
        let written = match (next, &watched.lease) {
            (Next::Wait, _) => return Ok(Next::Wait),
            (Next::Acquire | Next::Renew, Some(lease)) => self.write(leases, lease, &self.replica).await,
            (Next::Acquire | Next::Renew, None) => leases.create(&PostParams::default(), &self.first()).await,
        };
        match written {
            Ok(lease) => {
                watched.lease = Some(lease);
                watched.changed = Some(Instant::now());
                Ok(next)
            }
            // Somebody else was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Next::Wait),
            Err(error) => Err(error),
        }
    }

    fn first(&self) -> Lease {
        Lease {
            metadata: ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.replica.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: Some(MicroTime((self.clock)())),
                renew_time: Some(MicroTime((self.clock)())),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn write(&self, leases: &Api<Lease>, seen: &Lease, holder: &str) -> kube::Result<Lease> {
        let before = seen.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let now = MicroTime((self.clock)());
        let mut spec = json!({"holderIdentity": holder, "renewTime": now});
        if let (true, Some(spec)) = (before != holder, spec.as_object_mut()) {
            let transitions = seen.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
            spec.insert("acquireTime".to_owned(), json!(now));
            spec.insert("leaseTransitions".to_owned(), json!(transitions + 1));
        }
        let patch = json!({"metadata": {"resourceVersion": seen.resource_version()}, "spec": spec});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        leases.patch(LEASE, &params, &Patch::Merge(patch)).await
    }
}
