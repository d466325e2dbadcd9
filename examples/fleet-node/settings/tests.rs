use rstest::rstest;

use super::*;

fn pool(enabled: bool, max: u32) -> Settings {
    Settings { network: Network { pool: Pool { enabled, max } }, ..Settings::default() }
}

#[rstest]
#[case::nothing("", "", Settings::default())]
#[case::base_alone("[network.pool]\nenabled = true\nmax = 20\n", "", pool(true, 20))]
#[case::overlay_alone("", "network.pool.enabled = true\n", pool(true, 10))]
#[case::overlay_wins("[network.pool]\nenabled = true\nmax = 20\n", "network.pool.enabled = false\n", pool(false, 20))]
#[case::overlay_adds("[network.pool]\nmax = 20\n", "[network.pool]\nenabled = true\n", pool(true, 20))]
#[case::inline_tables("network = {pool = {max = 5}}\n", "network.pool.enabled = true\n", pool(true, 5))]
#[case::foreign_keys("name = 'x'\n[other]\na = 1\n", "[other]\nb = 2\n", Settings::default())]
fn an_overlay_lies_on_top_of_the_base(#[case] base: &str, #[case] overlay: &str, #[case] expected: Settings) {
    assert_eq!(Settings::read(base, overlay).unwrap(), expected);
}

#[rstest]
#[case::base("[network", "", "base file")]
#[case::overlay("", "network.pool.enabled = ", "overlay")]
#[case::wrong_type("", "network.pool.enabled = 'yes'", "settings are not valid")]
fn a_file_that_is_wrong_is_named(#[case] base: &str, #[case] overlay: &str, #[case] named: &str) {
    let error = Settings::read(base, overlay).unwrap_err();
    assert!(error.contains(named), "{error}");
}

#[test]
fn every_optimization_has_a_switch() {
    let all = "network.pool.enabled = true\ndns.cache.enabled = true\nmemory.pool.enabled = true\n";
    let (off, on) = (Settings::default(), Settings::read("", all).unwrap());
    for optimization in OPTIMIZATIONS {
        assert!(!off.is_on(optimization) && on.is_on(optimization), "{optimization}");
    }
}
