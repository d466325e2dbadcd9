use rstest::rstest;

use super::*;

fn after(line: &str) -> Next {
    next(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

fn words(next: &Next) -> Vec<&str> {
    match next {
        Next::Words(words) => words.iter().filter_map(|word| word.split('\t').next()).collect(),
        _ => Vec::new(),
    }
}

#[rstest]
#[case::a_verb("pause ", Next::Rollout)]
#[case::half_a_name("status dns", Next::Rollout)]
#[case::behind_flags("-n qudag --context x plan ", Next::Rollout)]
#[case::a_second_name("pause dns-cache ", Next::Anything)]
#[case::a_namespace("status -n ", Next::Anything)]
#[case::a_file("plan --file ", Next::File)]
#[case::more_files("lint a.yaml ", Next::File)]
#[case::a_format("status -o ", Next::Words(vec!["json".to_owned(), "yaml".to_owned()]))]
fn what_could_stand_next_is_known(#[case] line: &str, #[case] expected: Next) {
    assert_eq!(after(line), expected);
}

#[test]
fn verbs_and_flags_are_offered() {
    let next = after("");
    let verbs = words(&next);
    assert!(verbs.contains(&"status") && verbs.contains(&"kill") && !verbs.contains(&"__complete"), "{verbs:?}");
    let next = after("promote --");
    let flags = words(&next);
    assert!(flags.contains(&"--through") && flags.contains(&"--namespace"), "{flags:?}");
}
