use super::*;

#[test]
fn a_picture_is_cut_to_the_terminal_and_clears_what_was_there() {
    let drawn = picture("abcdef\n\x1b[31mxyzzy\x1b[0m\nthird\n", (4, 2));
    assert_eq!(drawn, "\x1b[?2026h\x1b[Habcd\x1b[K\r\n\x1b[31mxyzz\x1b[0m\x1b[K\x1b[J\x1b[?2026l");
}
