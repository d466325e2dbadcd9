use api::{Duration, connection::ConnectionType};
use rstest::rstest;

use super::*;

fn spec(url: &str, allowed: &[&str]) -> ConnectionSpec {
    ConnectionSpec {
        kind: ConnectionType::Prometheus,
        url: url.to_owned(),
        allowed_namespaces: vec!["*".to_owned()],
        allow_addresses: allowed.iter().map(|network| (*network).to_owned()).collect(),
        ca: None,
        secret: None,
        labels: Default::default(),
        stale_after: Duration::from_secs(60),
        timeout: Duration::from_secs(1),
    }
}

/// What becomes of a URL before anything is asked: the address that it names, or a refusal.
fn outcome(url: &str) -> Result<Option<IpAddr>, String> {
    let url = super::url(&spec(url, &[]))?;
    let address = literal(&url);
    match address.and_then(|address| refusal(address, &[])) {
        Some(what) => Err(what.to_owned()),
        None => Ok(address),
    }
}

#[rstest]
#[case("http://127.0.0.1:9090")]
#[case("http://127.1:9090")]
#[case("http://2130706433:9090")]
#[case("http://0x7f000001:9090")]
#[case("http://0x7f.0.0.1:9090")]
#[case("http://0177.0.0.1:9090")]
#[case("http://017700000001:9090")]
#[case("http://127.0.0.1.:9090")]
#[case("http://127.255.255.254:9090")]
#[case("http://0.0.0.0:9090")]
#[case("http://0:9090")]
#[case("http://169.254.169.254/latest")]
#[case("http://2852039166/")]
#[case("http://0xA9FEA9FE/")]
#[case("http://169.254.43518/")]
#[case("http://100.100.100.200/")]
#[case("http://168.63.129.16/")]
#[case("http://192.0.0.192/")]
#[case("http://224.0.0.1/")]
#[case("http://255.255.255.255/")]
#[case("http://[::1]:9090")]
#[case("http://[::]:9090")]
#[case("http://[0:0:0:0:0:0:0:1]:9090")]
#[case("http://[::ffff:127.0.0.1]:9090")]
#[case("http://[::ffff:7f00:1]:9090")]
#[case("http://[::127.0.0.1]:9090")]
#[case("http://[64:ff9b::7f00:1]:9090")]
#[case("http://[2002:7f00:1::]:9090")]
#[case("http://[2001::1]:9090")]
#[case("http://[fe80::1]:9090")]
#[case("http://[ff02::1]:9090")]
#[case("http://[fd00:ec2::254]/")]
#[case("http://user@prometheus:9090")]
#[case("http://user:word@prometheus:9090")]
#[case("http://prometheus:9090@127.0.0.1/")]
#[case("http://prometheus:9090?x=y")]
#[case("http://prometheus:9090#x")]
#[case("http://PROMETHEUS:9090")]
#[case("http://prom%65theus:9090")]
#[case("http://ｐrometheus:9090")]
#[case("http://①②⑦.0.0.1:9090")]
#[case("http:\\\\127.0.0.1\\")]
#[case("http:/127.0.0.1")]
#[case("http:///127.0.0.1")]
#[case(" http://prometheus")]
#[case("file:///etc/passwd")]
#[case("gopher://prometheus:9090")]
#[case("ftp://prometheus")]
#[case("prometheus:9090")]
#[case("")]
fn what_leads_elsewhere_than_it_seems_is_refused(#[case] url: &str) {
    assert!(outcome(url).is_err(), "{:?}", outcome(url));
}

#[rstest]
#[case::a_name("http://prometheus.monitoring.svc:9090", None)]
#[case::with_a_prefix("https://metrics.example.com/prometheus", None)]
#[case::a_pod("http://10.244.0.7:9090", Some("10.244.0.7"))]
#[case::an_ipv6_address("http://[fd12:3456::7]:9090", Some("fd12:3456::7"))]
#[case::a_public_address("http://192.0.2.7", Some("192.0.2.7"))]
fn what_is_usual_is_not_refused(#[case] url: &str, #[case] address: Option<&str>) {
    assert_eq!(outcome(url), Ok(address.map(|address| address.parse().unwrap())));
}

#[test]
fn an_administrator_may_allow_what_is_refused() {
    let spec = spec("http://127.0.0.1:9090", &["127.0.0.0/8"]);
    let allowed = allowed(&spec).unwrap();
    assert_eq!(refusal("127.0.0.1".parse().unwrap(), &allowed), None);
    assert_eq!(refusal("169.254.169.254".parse().unwrap(), &allowed), Some("link-local"));
}
