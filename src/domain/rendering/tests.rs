use rstest::rstest;

use super::*;

#[rstest]
#[case::first("settings", Some(0))]
#[case::second("settings-1", Some(1))]
#[case::tenth("settings-9", Some(9))]
#[case::zero_is_never_written("settings-0", None)]
#[case::leading_zero("settings-01", None)]
#[case::longer_name("settings-of-others", None)]
#[case::other("other", None)]
fn a_shard_is_known_by_its_name(#[case] name: &str, #[case] expected: Option<usize>) {
    let rendered = Rendered { name: "settings".to_owned(), key: "{member}.toml".to_owned(), base: None };
    assert_eq!(shard_index(&rendered, name), expected);
}

#[rstest]
#[case::without_a_base(None, 1 + 10 + ENTRY_SIZE)]
#[case::with_a_base(Some("x".repeat(100)), 100 + 1 + 10 + 100 + ENTRY_SIZE)]
fn a_shards_size_counts_its_base_and_room_for_it_to_grow(#[case] base: Option<String>, #[case] expected: usize) {
    let files = [("a".to_owned(), "0123456789".to_owned())].into();
    assert_eq!(size(&Shard { base, files, ..Shard::default() }), expected);
}
