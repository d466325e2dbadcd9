use super::*;

#[test]
fn colours_take_no_room() {
    let rows = [["\x1b[31mab\x1b[0m".to_owned(), "c".to_owned()], ["abc".to_owned(), "d".to_owned()]];
    assert_eq!(table(&rows), "\x1b[31mab\x1b[0m   c\nabc  d\n");
}

#[test]
fn a_cut_text_ends_its_colour() {
    assert_eq!(cut("\x1b[31mabcdef\x1b[0m", 3), "\x1b[31mabc\x1b[0m");
    assert_eq!(cut("▁▂▃▄", 2), "▁▂");
}

#[test]
fn a_long_sentence_goes_on_in_the_next_line() {
    assert_eq!(wrap("\x1b[31mone\x1b[0m two three", 7), "\x1b[31mone\x1b[0m two\nthree");
    assert_eq!(wrap("", 7), "");
    assert_eq!(wrap("averylongword x", 5), "averylongword\nx");
}
