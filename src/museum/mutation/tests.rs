use rstest::rstest;

use super::mutate;

#[rstest]
#[case::in_a_line("a(b, c);", "b, c", "c, b", "a(c, b);")]
#[case::over_lines("fn a() {\n    b();\n    c();\n}", "b(); c();", "c();", "fn a() {\n    c();\n}")]
#[case::of_signs("a.b(|x| x + 1)", "(|x| x + 1)", "($0)", "a.b($0)")]
fn the_text_is_found_however_lines_are_broken(
    #[case] text: &str,
    #[case] find: &str,
    #[case] replace: &str,
    #[case] expected: &str,
) {
    assert_eq!(mutate(text, find, replace).unwrap(), expected);
}

#[rstest]
#[case::gone("a();", "b();", "any more")]
#[case::twice("a(); a();", "a();", "2 times")]
#[case::nothing("a();", " ", "looks for nothing")]
fn a_text_that_is_not_there_once_is_refused(#[case] text: &str, #[case] find: &str, #[case] words: &str) {
    let refusal = mutate(text, find, "c();").unwrap_err();
    assert!(refusal.contains(words), "{refusal}");
}
