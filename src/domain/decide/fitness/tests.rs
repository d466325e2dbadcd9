use api::fleet::{Base, Format, Reload, Rendered};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    observation::Pod,
    record::{Cohort, Entry, Record},
};

const OFF: &str = "[pool]\nmax = 20\n";
const ON: &str = "[pool]\nmax = 100\n";

fn config(base: bool) -> Config {
    let base = base.then(|| Base { name: "node-base".to_owned(), key: "base.toml".to_owned() });
    Config {
        delivery: Delivery::Rendered(Rendered { name: "settings".to_owned(), key: "{member}.toml".to_owned(), base }),
        format: Format::Toml,
        reload: Reload::Watch,
        revision_path: None,
    }
}

/// A ConfigMap, with a run of its members or without.
fn shard(running: bool) -> Option<Shard> {
    let entry = Entry::new(Cohort::Baseline, 0, &crate::observation::Pod::default());
    let members = running.then(|| ("other".to_owned(), entry)).into_iter().collect();
    Some(Shard { record: Record { members, ..Record::default() }, ..Shard::default() })
}

#[rstest]
#[case::its_base_says_so(true, Some(ON), None, None, true, true)]
#[case::its_base_says_another_value(true, Some(OFF), None, None, true, false)]
#[case::its_base_is_not_known(true, None, None, None, true, false)]
#[case::its_file_says_so(true, None, shard(false), Some(ON), true, true)]
#[case::its_file_outranks_the_base(true, Some(ON), shard(false), Some(OFF), true, false)]
#[case::others_have_files_and_it_has_none_yet(true, Some(ON), shard(false), None, true, false)]
#[case::its_file_is_of_a_run(true, None, shard(true), Some(ON), true, false)]
#[case::nothing_is_to_be_switched(true, Some(ON), None, None, false, false)]
#[case::without_a_base_there_is_no_evidence(false, None, shard(false), Some("pool.max = 100"), true, false)]
fn a_member_is_optimized_already_when(
    #[case] based: bool,
    #[case] base: Option<&str>,
    #[case] shard: Option<Shard>,
    #[case] file: Option<&str>,
    #[case] switching: bool,
    #[case] expected: bool,
) {
    let settings =
        Settings { switched: [("pool.max".to_owned(), api::Scalar::Int(100))].into(), ..Settings::default() };
    let config = config(based);
    let member = Member { name: "a".to_owned(), zone: String::new(), unfit: None, pod: Pod::default() };
    let unfit = Fitness::new(&config, &settings, switching, base).unfit(&member, shard.as_ref(), file);
    assert_eq!(unfit.is_some_and(|problem| problem.reason == Reason::AlreadyOptimized), expected);
}

#[rstest]
#[case::it_says_the_values(ON, None, false)]
#[case::it_is_as_it_was_written("pool.max = 7 # as we wrote it", Some("pool.max = 7 # as we wrote it"), false)]
#[case::it_was_written_and_says_something_else_now(OFF, Some(ON), true)]
#[case::it_was_edited_and_says_the_values_still("[pool]\nmax = 100 # mine\n", Some(ON), false)]
fn a_patched_member_is_overridden_unless(#[case] file: &str, #[case] written: Option<&str>, #[case] expected: bool) {
    let patched = json!({"patched": {"name": "{member}-config", "key": "node.toml"}, "format": "Toml"});
    let config: Config = serde_json::from_value(patched).unwrap();
    let settings =
        Settings { switched: [("pool.max".to_owned(), api::Scalar::Int(100))].into(), ..Settings::default() };
    let inverse = written.map(|text| crate::patching::Inverse {
        hash: fingerprint(text),
        splices: Vec::new(),
        before: Changes::new(),
        wrote: Changes::new(),
    });
    let shard = Shard { inverse, ..Shard::default() };
    let rendering = Rendering { optimized: None, baseline: None };
    let fitness = Fitness::new(&config, &settings, true, None);
    assert_eq!(fitness.is_overridden(Some(&shard), &rendering, Some(file)), expected);
    assert!(fitness.is_overridden(Some(&shard), &rendering, None), "without a file");
}
