use rstest::rstest;

use super::*;

const LATER: Duration = Duration::from_secs(60);
const POOL: &str = "network.pool.enabled = true\n";

#[rstest]
#[case::off(None, "", 0)]
#[case::any(None, "dns.cache.enabled = true\n", 30)]
#[case::the_named_one(Some("connection_pooling"), POOL, 30)]
#[case::another_one(Some("dns_cache"), POOL, 0)]
#[case::a_pool_that_is_too_large(Some("dns_cache"), "network.pool.enabled = true\nnetwork.pool.max = 501\n", 50)]
#[case::a_pool_that_just_fits(Some("dns_cache"), "network.pool.enabled = true\nnetwork.pool.max = 500\n", 0)]
#[case::a_large_pool_that_is_off(None, "network.pool.max = 501\n", 0)]
fn a_fault_acts_only_while_its_optimization_is_on(
    #[case] when: Option<&str>,
    #[case] overlay: &str,
    #[case] errors: u8,
) {
    let faults = Faults { when: when.map(str::to_owned), errors: 30, ..Faults::default() };
    assert_eq!(faults.active(&Settings::read("", overlay).unwrap(), LATER).errors, errors);
}

#[test]
fn all_faults_act_together() {
    let faults = Faults {
        when: None,
        always: false,
        errors: 1,
        latency: 20,
        leak: 3,
        crash: Some(4),
        silence: true,
        unready: true,
    };
    let on = Settings::read("", POOL).unwrap();
    let expected = Active {
        errors: 1,
        latency: Duration::from_millis(20),
        leak: 3,
        crash: Some(Duration::from_secs(4)),
        silence: true,
        unready: true,
    };
    assert_eq!(faults.active(&on, LATER), expected);
    assert_eq!(faults.active(&Settings::default(), LATER), Active::default());
}

#[rstest]
#[case::at_first(0, 0)]
#[case::at_the_limit(20, 0)]
#[case::beyond_it(21, 50)]
fn a_pool_that_is_too_large_hurts_once_it_has_filled(#[case] seconds: u64, #[case] errors: u8) {
    let settings = Settings::read("", "network.pool.enabled = true\nnetwork.pool.max = 1000\n").unwrap();
    assert_eq!(Faults::default().active(&settings, Duration::from_secs(seconds)).errors, errors);
}

#[test]
fn a_fault_can_act_without_any_optimization() {
    let faults = Faults { always: true, errors: 7, ..Faults::default() };
    assert_eq!(faults.active(&Settings::default(), LATER).errors, 7);
}
