use api::fleet::{Base, Format, Reload, Rendered};
use rstest::rstest;

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
