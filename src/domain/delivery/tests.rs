use api::fleet::{Format, Patched, Reload, Rendered};
use rstest::rstest;

use super::*;
use crate::decide::fixture::based;

fn config(key: &str) -> Config {
    Config {
        delivery: Delivery::Rendered(Rendered { name: "settings".to_owned(), key: key.to_owned(), base: None }),
        format: Format::Toml,
        reload: Reload::Watch,
        revision_path: None,
    }
}

fn patched(name: &str) -> Config {
    let delivery = Delivery::Patched(Patched { name: name.to_owned(), key: "node.toml".to_owned() });
    Config { delivery, ..config("{member}.toml") }
}

#[rstest]
#[case::suffix("{member}.toml", "a-0", "a-0.toml")]
#[case::both("node-{member}.toml", "a-0", "node-a-0.toml")]
#[case::alone("{member}-x", "a", "a-x")]
fn a_file_is_found_by_its_member_and_back(#[case] template: &str, #[case] member: &str, #[case] key: &str) {
    assert_eq!(file_key(&config(template), member), key);
    assert_eq!(member_of(template, key), Some(member));
    assert_eq!(config_map(&patched(template), member).as_deref(), Some(key));
    assert_eq!(file_key(&patched(template), member), "node.toml");
}

#[rstest]
#[case::record(".members.json")]
#[case::no_member(".toml")]
#[case::foreign("readme.md")]
fn other_keys_are_nobodys(#[case] key: &str) {
    assert_eq!(member_of("{member}.toml", key), None);
}

fn values(entries: &[(&str, Scalar)]) -> Values {
    entries.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
}

#[test]
fn no_values_are_no_file() {
    assert_eq!(file(&config("{member}.toml"), None, &Values::new()).unwrap(), None);
    let on = values(&[("a.b", Scalar::Bool(true))]);
    assert_eq!(file(&config("{member}.toml"), None, &on).unwrap().as_deref(), Some("a.b = true\n"));
}

const BASE: &str = "# tuned by hand\n[a]\nb = false # see the runbook\nc = 1\n";

#[rstest]
#[case::nothing_to_say(&[], BASE.to_owned())]
#[case::what_it_says_already(&[("a.b", Scalar::Bool(false))], BASE.to_owned())]
#[case::another_value(&[("a.b", Scalar::Bool(true))], BASE.replace("false", "true"))]
#[case::what_it_lacks(&[("a.d", Scalar::Int(2))], format!("{BASE}d = 2\n"))]
fn a_base_keeps_every_byte_that_is_no_setting(#[case] entries: &[(&str, Scalar)], #[case] expected: String) {
    assert_eq!(file(&config("{member}.toml"), Some(BASE), &values(entries)).unwrap(), Some(expected));
}

#[rstest]
#[case::it_does_not_parse("a =")]
#[case::it_has_no_room("a = 1")]
fn a_base_that_cannot_hold_the_settings_after_all_stays_as_it_is(#[case] base: &str) {
    let (config, on) = (config("{member}.toml"), values(&[("a.b", Scalar::Bool(true))]));
    assert!(file(&config, Some(base), &on).is_err());
    assert_eq!(checked_file(&config, Some(base), &on).as_deref(), Some(base));
}

#[test]
fn with_a_base_the_file_tells_what_a_baseline_member_runs() {
    let mut config = config("{member}.toml");
    let settings = Settings::new(&[pooling()], &Values::new());
    let on = Some("[pool]\nenabled = true\nmax = 100\n");
    assert!(!enables(&config, &settings, Some(Cohort::Returning), on, &pooling()));
    based(&mut config);
    assert!(enables(&config, &settings, Some(Cohort::Returning), on, &pooling()));
    assert!(!enables(&config, &settings, Some(Cohort::Returning), Some("[pool]\nmax = 100\n"), &pooling()));
}

#[test]
fn a_revision_changes_with_the_values_and_stands_in_the_file() {
    let config = Config { revision_path: Some("meta.revision".to_owned()), ..config("{member}.toml") };
    let (on, off) = (values(&[("a", Scalar::Bool(true))]), values(&[("a", Scalar::Bool(false))]));
    let revision_on = revision(&config, &on).unwrap();
    assert_ne!(Some(&revision_on), revision(&config, &off).as_ref());
    let text = file(&config, None, &on).unwrap().unwrap();
    assert!(text.contains(&format!("meta.revision = \"{revision_on}\"")), "{text}");
    assert_eq!(revision(&config, &Values::new()), None);
}

fn pooling() -> Optimization {
    serde_json::from_value(serde_json::json!({"name": "pooling", "settings": [
        {"path": "pool.enabled", "optimized": true, "baseline": false}, {"path": "pool.max", "optimized": 100},
    ]}))
    .unwrap()
}

#[rstest]
#[case::an_optimized_member_does(Some(Cohort::Optimized), Some("pool.enabled = false"), true)]
#[case::one_that_said_so_before(Some(Cohort::Returning), Some("pool.enabled = true\npool.max = 100"), true)]
#[case::one_that_said_half_of_it(Some(Cohort::Baseline), Some("pool.enabled = true"), false)]
#[case::one_that_does_not_parse(Some(Cohort::Baseline), Some("pool.enabled = "), false)]
fn what_a_patched_member_runs_is_told_by_its_file(
    #[case] cohort: Option<Cohort>,
    #[case] file: Option<&str>,
    #[case] expected: bool,
) {
    let settings = Settings::new(&[pooling()], &Values::new());
    assert_eq!(enables(&patched("{member}-config"), &settings, cohort, file, &pooling()), expected);
}

#[rstest]
#[case::optimized(Some(Cohort::Optimized), Some("r = \"1\""))]
#[case::returning(Some(Cohort::Returning), Some("r = \"1\""))]
fn an_optimized_rendered_member_repeats_its_cohorts_revision_and_others_that_of_their_files(
    #[case] cohort: Option<Cohort>,
    #[case] file: Option<&str>,
) {
    let settings = Settings::new(&[pooling()], &Values::new());
    let rendered = Config { revision_path: Some("r".to_owned()), ..config("{member}.toml") };
    let own =
        if cohort == Some(Cohort::Optimized) { revision(&rendered, &settings.optimized) } else { Some("1".to_owned()) };
    assert_eq!(expected_revision(&rendered, &settings, cohort, file), own);
    let patched = Config { revision_path: Some("r".to_owned()), ..patched("{member}-config") };
    assert_eq!(expected_revision(&patched, &settings, cohort, file).as_deref(), Some("1"));
    assert_eq!(expected_revision(&patched, &settings, cohort, Some("a = 1")), None);
}

#[rstest]
#[case::one_that_is_not_switched_does(Some(Cohort::Baseline), Some("pool.enabled = true\ncache = 1"), true)]
#[case::one_whose_file_says_otherwise_does_not(Some(Cohort::Baseline), Some("cache = 1"), false)]
#[case::one_that_is_switched_says_what_is_left(Some(Cohort::Optimized), Some("cache = 1"), false)]
#[case::one_of_which_nothing_is_known(None, None, true)]
#[case::one_that_is_switched_and_has_no_file(Some(Cohort::Optimized), None, false)]
fn what_is_taken_out_is_kept_by(#[case] cohort: Option<Cohort>, #[case] file: Option<&str>, #[case] expected: bool) {
    let released =
        BTreeMap::from([("pool.enabled".to_owned(), "pooling".to_owned()), ("log".to_owned(), "logs".to_owned())]);
    let settled = values(&[("pool.enabled", Scalar::Bool(true)), ("log", Scalar::Int(1))]);
    let settings = Settings::new(&[], &settled).releasing(released);
    assert_eq!(keeps(&patched("{member}-config"), &settings, cohort, file, "pooling"), expected);
    // A rendered file without a base says only what differs from one that we do not know.
    let switched = cohort == Some(Cohort::Optimized);
    let mut rendered = config("{member}.toml");
    assert_eq!(keeps(&rendered, &settings, cohort, Some("cache = 1"), "pooling"), !switched);
    based(&mut rendered);
    assert_eq!(keeps(&rendered, &settings, cohort, file, "pooling"), expected);
}
