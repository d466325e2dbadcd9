use proptest::prelude::*;
use rstest::rstest;

use super::{Splice, apply, fingerprint, inverse};

fn splice(at: usize, len: usize, text: &str) -> Splice {
    Splice { at, len, text: text.to_owned() }
}

#[rstest]
#[case::equal("a = 1\n", "a = 1\n", vec![])]
#[case::value("a = true\n", "a = false\n", vec![splice(4, 4, "tru")])]
#[case::line_more("a\nc\n", "a\nb\nc\n", vec![splice(2, 2, "")])]
#[case::line_less("a\nb\nc\n", "a\nc\n", vec![splice(2, 0, "b\n")])]
#[case::two_places("a = 1\n#\nb = 2\n", "a = 3\n#\nb = 4\n", vec![splice(4, 1, "1"), splice(12, 1, "2")])]
#[case::characters("a = 'ü'\n", "a = 'ö'\n", vec![splice(5, 2, "ü")])]
#[case::nothing_before("", "a\n", vec![splice(0, 2, "")])]
fn the_way_back_is_as_small_as_the_difference(
    #[case] before: &str,
    #[case] after: &str,
    #[case] expected: Vec<Splice>,
) {
    assert_eq!(inverse(before, after), expected);
}

#[rstest]
#[case::out_of_range(vec![splice(4, 0, "x")])]
#[case::too_long(vec![splice(1, 9, "x")])]
#[case::overflow(vec![splice(1, usize::MAX, "x")])]
#[case::within_a_character(vec![splice(2, 0, "x")])]
#[case::out_of_order(vec![splice(1, 0, "x"), splice(0, 0, "y")])]
#[case::overlapping(vec![splice(0, 3, "x"), splice(1, 0, "y")])]
fn splices_that_do_not_fit_are_refused(#[case] splices: Vec<Splice>) {
    assert_eq!(apply("aü", &splices), None);
}

#[test]
fn a_splice_is_short_as_text() {
    let splices = vec![splice(4, 4, "tru"), splice(9, 0, "x"), splice(12, 3, "")];
    let text = serde_json::to_string(&splices).unwrap();
    assert_eq!(text, r#"[{"a":4,"l":4,"t":"tru"},{"a":9,"t":"x"},{"a":12,"l":3}]"#);
    assert_eq!(serde_json::from_str::<Vec<Splice>>(&text).unwrap(), splices);
}

#[test]
fn a_fingerprint_stays_what_it_was_and_tells_texts_apart() {
    assert_eq!(fingerprint("a = 1\n"), "4a8044821939cbfe");
    assert_ne!(fingerprint("a = 1\n"), fingerprint("a = 1\r\n"));
}

#[test]
fn texts_without_a_common_line_are_taken_apart_at_once() {
    let before = "a\n".repeat(20_000);
    let after = "b\n".repeat(20_000);
    assert_eq!(inverse(&before, &after).len(), 1);
}

proptest! {
    #[test]
    fn the_way_back_leads_to_the_exact_text(
        before in prop::collection::vec("[abü]{0,2}\r?\n?", 0..12),
        after in prop::collection::vec("[abü]{0,2}\r?\n?", 0..12),
    ) {
        let (before, after) = (before.concat(), after.concat());
        prop_assert_eq!(apply(&after, &inverse(&before, &after)), Some(before));
    }

    #[test]
    fn any_splices_are_applied_or_refused(
        text in ".{0,20}",
        splices in prop::collection::vec((0_usize..24, 0_usize..24, ".{0,3}"), 0..4),
    ) {
        let splices: Vec<Splice> = splices.iter().map(|(at, len, text)| splice(*at, *len, text)).collect();
        let grown: usize = splices.iter().map(|splice| splice.text.len()).sum();
        let taken: usize = splices.iter().map(|splice| splice.len).sum();
        if let Some(applied) = apply(&text, &splices) {
            prop_assert_eq!(applied.len() + taken, text.len() + grown);
        }
    }
}
