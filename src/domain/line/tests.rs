use rstest::rstest;

use super::line;

#[rstest]
#[case::it_is_short("errors 4 %", "errors 4 %")]
#[case::it_is_as_long_as_it_may_be("0123456789ab", "0123456789ab")]
#[case::it_is_longer("0123456789abc", "0123456789ab")]
#[case::a_character_of_two_bytes_is_the_last("0123456789\u{e9}", "0123456789\u{e9}")]
#[case::a_character_of_two_bytes_would_be_cut("0123456789a\u{e9}", "0123456789a")]
#[case::it_has_lines("one\ntwo\r\tx", "one two  x")]
#[case::a_control_character_of_two_bytes_is_a_space("a\u{85}b", "a b")]
fn a_line_has_at_most_so_many_bytes(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(line(text, 12), expected);
}
