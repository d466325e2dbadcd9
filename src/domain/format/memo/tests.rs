use std::cell::Cell;

use super::*;

const LINES: FormatError = FormatError::NotScalar { path: String::new(), found: "lines" };

/// How often a memo finds out the answers to these questions.
fn found<'q>(questions: impl IntoIterator<Item = (Format, &'q str, &'q str)>) -> usize {
    let memo = Memo::<String>::new(String::len);
    let found = Cell::new(0);
    for (format, text, what) in questions {
        let answer = memo.answer(format, text, what, || {
            found.set(found.get() + 1);
            Ok(format!("{format:?} {text} {what}"))
        });
        assert_eq!(answer, Ok(format!("{format:?} {text} {what}")));
    }
    found.get()
}

#[test]
fn what_was_asked_before_is_known() {
    assert_eq!(found([(Format::Toml, "a = 1", "a"); 3]), 1);
}

#[test]
fn another_format_or_text_or_question_has_an_answer_of_its_own() {
    let questions = [
        (Format::Toml, "a = 1", "a"),
        (Format::Json, "a = 1", "a"),
        (Format::Toml, "a = 2", "a"),
        (Format::Toml, "a = 1", "b"),
        (Format::Toml, "a = 1a", ""),
    ];
    assert_eq!(found(questions.into_iter().chain(questions)), questions.len());
}

#[test]
fn an_error_is_known_too() {
    let memo = Memo::<String>::new(String::len);
    assert_eq!(memo.answer(Format::Toml, "", "a", || Err(LINES)), Err(LINES));
    assert_eq!(memo.answer(Format::Toml, "", "a", || Ok(String::new())), Err(LINES));
}

#[test]
fn a_thousand_files_of_a_kilobyte_are_known_and_memory_has_an_end() {
    let kept = |files: usize, length: usize| {
        let memo = Memo::<String>::new(String::len);
        let text = |file: usize| format!("{file}{}", " ".repeat(length));
        for file in 0..files {
            let _ = memo.answer(Format::Toml, &text(file), "", || Ok(text(file)));
        }
        assert!(memo.0.weight() <= CAPACITY, "{} bytes are kept", memo.0.weight());
        (0..files)
            .filter(|file| memo.0.get(&Asked { format: Format::Toml, text: &text(*file), what: "" }).is_some())
            .count()
    };
    assert_eq!(kept(1_000, 1_000), 1_000);
    let some = kept(1_000, 100_000);
    assert!((10..=CAPACITY as usize / 200_000).contains(&some), "{some} of a thousand are kept");
    assert_eq!(kept(1, 400_000), 1, "the longest base, and a file that is made of it");
}
