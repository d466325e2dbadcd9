use std::collections::BTreeMap;

use rstest::rstest;

use super::{Draw, Strike, strikes};

#[rstest]
#[case::a_full_show(170, [100, 30, 30, 10])]
#[case::a_quick_look(12, [7, 2, 2, 1])]
#[case::one(1, [1, 0, 0, 0])]
fn the_shares_of_a_full_show_are_kept(#[case] runs: usize, #[case] expected: [usize; 4]) {
    let mut counts: BTreeMap<Strike, usize> = BTreeMap::new();
    for strike in strikes(7, runs) {
        *counts.entry(strike).or_default() += 1;
    }
    let count = |strike| counts.get(&strike).copied().unwrap_or_default();
    assert_eq!([Strike::Kill, Strike::Stop, Strike::ApiServer, Strike::Etcd].map(count), expected);
}

#[test]
fn a_seed_draws_the_same_run_again_and_another_number_another_one() {
    let draw = |seed, number| format!("{:?}", Draw::new(seed, number, Strike::Kill));
    assert_eq!(draw(1, 2), draw(1, 2));
    assert_ne!(draw(1, 2), draw(1, 3).replace("number: 3", "number: 2"));
    assert_ne!(draw(1, 2), draw(2, 2));
}
