//! Where a Connection may lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::ConnectionSpec;
use ipnet::{IpNet, Ipv6Net};
use reqwest::Url;

/// Addresses at which clouds tell a machine its credentials, beside the link-local ones.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// IPv6 networks whose addresses hide an IPv4 address: compatible, mapped, translated, 6to4, Teredo.
const HIDING: [Ipv6Net; 6] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),
];

/// The networks that a Connection allows although they are refused otherwise.
///
/// # Errors
/// The one that is none.
pub fn allowed(spec: &ConnectionSpec) -> Result<Vec<IpNet>, String> {
    spec.allow_addresses
        .iter()
        .map(|network| network.parse().map_err(|_| format!("allowAddresses: {network} is no network")))
        .collect()
}

/// Why an address may not be asked; `None` when it may.
#[must_use]
pub fn refusal(address: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    if allowed.iter().any(|network| network.contains(&address)) {
        return None;
    }
    let hides = |address: &Ipv6Addr| HIDING.iter().any(|network| network.contains(address));
    match address {
        _ if METADATA.contains(&address) => Some("cloud metadata"),
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_multicast() => Some("multicast"),
        IpAddr::V4(address) if address.is_link_local() => Some("link-local"),
        IpAddr::V4(address) if address.is_broadcast() || address.octets().first() >= Some(&240) => Some("broadcast"),
        IpAddr::V4(address) if address.octets().first() == Some(&0) => Some("this machine"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("link-local"),
        IpAddr::V6(address) if hides(&address) => Some("an IPv4 address in disguise"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The URL of a Connection, in the one form that nobody reads in two ways.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn url(spec: &ConnectionSpec) -> Result<Url, String> {
    let url = Url::parse(&spec.url).map_err(|_| "url is none".to_owned())?;
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
        return Err("url has to begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || spec.url.contains('@') {
        return Err("url holds a user; use secret".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("url holds a query or a fragment".to_owned());
    }
    let start = format!("{}://{host}", url.scheme());
    if !spec.url.strip_prefix(&start).is_some_and(|after| after.is_empty() || after.starts_with([':', '/'])) {
        return Err(format!("url writes its host in an unusual way; write {host}"));
    }
    Ok(url)
}

/// The address that a URL itself names; `None` for a name.
#[must_use]
pub fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests;
