use proptest::prelude::*;
use rstest::rstest;

use super::{Candidate, holdout, order, quota};

#[rstest]
#[case(20, None, 3)]
#[case(4, None, 2)]
#[case(1, None, 0)]
#[case(200, None, 10)]
#[case(20, Some(0), 0)]
#[case(20, Some(1), 1)]
#[case(20, Some(50), 10)]
#[case(3, Some(50), 1)]
fn the_holdout_is_a_share_that_leaves_half_of_the_fleet(
    #[case] eligible: usize,
    #[case] percent: Option<i32>,
    #[case] held_out: usize,
) {
    assert_eq!(holdout(eligible, percent), held_out);
}

#[rstest]
#[case(20, 3, 10, 1)]
#[case(20, 3, 50, 8)]
#[case(20, 3, 100, 17)]
#[case(2, 1, 1, 1)]
#[case(0, 0, 50, 0)]
fn a_stage_allows_its_share_rounded_down_but_one_at_least(
    #[case] eligible: usize,
    #[case] held_out: usize,
    #[case] percent: i32,
    #[case] allowed: usize,
) {
    assert_eq!(quota(eligible, held_out, percent), allowed);
}

fn candidates(fleet: &[(String, String)]) -> Vec<Candidate<'_>> {
    fleet.iter().map(|(name, zone)| Candidate { name, zone }).collect()
}

prop_compose! {
    fn fleets()(sizes in prop::collection::vec(1_usize..12, 1..4)) -> Vec<(String, String)> {
        sizes
            .iter()
            .enumerate()
            .flat_map(|(zone, size)| (0..*size).map(move |i| (format!("node-{zone}-{i}"), format!("zone-{zone}"))))
            .collect()
    }
}

proptest! {
    #[test]
    fn everybody_comes_once_whatever_the_order_of_the_input(fleet in fleets(), seed in "[a-z]{1,8}") {
        let forward = order(&seed, &candidates(&fleet));
        let mut reversed = fleet.clone();
        reversed.reverse();
        prop_assert_eq!(&forward, &order(&seed, &candidates(&reversed)));
        let mut names = forward.clone();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), fleet.len());
    }

    #[test]
    fn at_every_prefix_a_zone_is_within_one_member_of_its_share(fleet in fleets(), seed in "[a-z]{1,8}") {
        let ordered = order(&seed, &candidates(&fleet));
        for length in 1..=ordered.len() {
            for zone in fleet.iter().map(|(_, zone)| zone) {
                let size = fleet.iter().filter(|(_, other)| other == zone).count();
                let taken = ordered[..length]
                    .iter()
                    .filter(|name| fleet.iter().any(|(member, other)| member == **name && other == zone))
                    .count();
                let share = length as f64 * size as f64 / fleet.len() as f64;
                prop_assert!((taken as f64 - share).abs() < 2.0, "zone {} has {} of {}", zone, taken, share);
            }
        }
    }

    #[test]
    fn within_one_zone_others_that_come_or_go_do_not_move_anybody(
        size in 2_usize..30, gone in 0_usize..30, seed in "[a-z]{1,8}",
    ) {
        let fleet: Vec<_> = (0..size).map(|i| (format!("node-{i}"), String::new())).collect();
        let leaver = format!("node-{}", gone % size);
        let without: Vec<_> = fleet.iter().filter(|(name, _)| *name != leaver).cloned().collect();
        let mut expected = order(&seed, &candidates(&fleet));
        expected.retain(|name| *name != leaver);
        prop_assert_eq!(expected, order(&seed, &candidates(&without)));
    }
}

#[test]
fn another_seed_is_another_order() {
    let fleet: Vec<_> = (0..30).map(|i| (format!("node-{i}"), String::new())).collect();
    assert_ne!(order("a", &candidates(&fleet)), order("b", &candidates(&fleet)));
}
