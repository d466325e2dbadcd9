//! One sample line: a name, labels, a value, and what may follow it.

use std::borrow::Cow;

use super::{BLANKS, Labels, Series};

const MOST_LABELS: usize = 64;
const LONGEST_ECHO: usize = 40;

/// Reads a sample line that has no blanks around it, or only its name when it is not wanted.
pub(super) fn sample<'a>(line: &'a str, wanted: &dyn Fn(&str) -> bool) -> Result<Option<Series<'a>>, String> {
    let mut cursor = Cursor { rest: line };
    let quoted = cursor.eat('{');
    let name = if quoted { cursor.name_in_braces()? } else { Cow::Borrowed(cursor.plain_name()?) };
    if !wanted(&name) {
        return Ok(None);
    }
    let labelled = if quoted { cursor.continues()? } else { cursor.opens() };
    let labels = if labelled { cursor.labels()? } else { Vec::new() };
    Ok(Some(Series { name, labels, value: value(cursor.rest)? }))
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, token: char) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(BLANKS);
    }

    fn until(&mut self, ends: &[char]) -> &'a str {
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn plain_name(&mut self) -> Result<&'a str, String> {
        let name = self.until(&['{', ' ', '\t']);
        if is_identifier(name, true) { Ok(name) } else { Err(format!("{} is no metric name", echo(name))) }
    }

    fn name_in_braces(&mut self) -> Result<Cow<'a, str>, String> {
        self.skip_blanks();
        let name = if self.eat('"') { self.quoted()? } else { Cow::Borrowed("") };
        self.skip_blanks();
        if name.is_empty() || self.rest.starts_with('=') {
            return Err("the sample has no name".to_owned());
        }
        Ok(name)
    }

    /// Whether labels follow a name before the braces.
    fn opens(&mut self) -> bool {
        self.skip_blanks();
        self.eat('{')
    }

    /// Whether more follows inside the braces.
    fn continues(&mut self) -> Result<bool, String> {
        self.skip_blanks();
        match (self.eat(','), self.eat('}')) {
            (true, closed) => Ok(!closed),
            (false, true) => Ok(false),
            (false, false) => Err(format!("expected a comma or a closing brace at {}", echo(self.rest))),
        }
    }

    fn labels(&mut self) -> Result<Labels<'a>, String> {
        let mut labels: Labels<'a> = Vec::new();
        loop {
            self.skip_blanks();
            if self.eat('}') {
                return Ok(labels);
            }
            if labels.len() == MOST_LABELS {
                return Err(format!("the sample has more than {MOST_LABELS} labels"));
            }
            let name = self.label_name()?;
            if labels.iter().any(|(known, _)| *known == name) {
                return Err(format!("the label {} stands twice", echo(&name)));
            }
            labels.push((name, self.label_value()?));
            if !self.continues()? {
                return Ok(labels);
            }
        }
    }

    fn label_name(&mut self) -> Result<Cow<'a, str>, String> {
        if self.eat('"') {
            return self.quoted();
        }
        let name = self.until(&['=', ',', '}', '"', ' ', '\t']);
        if is_identifier(name, false) {
            Ok(Cow::Borrowed(name))
        } else {
            Err(format!("{} is no label name", echo(name)))
        }
    }

    fn label_value(&mut self) -> Result<Cow<'a, str>, String> {
        self.skip_blanks();
        let assigned = self.eat('=');
        self.skip_blanks();
        if assigned && self.eat('"') {
            self.quoted()
        } else {
            Err(format!("expected a label's value in quotes at {}", echo(self.rest)))
        }
    }

    /// The text up to the closing quote. Unknown escapes stand for themselves, as Prometheus has it.
    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let open = || "a quote is not closed".to_owned();
        let mut text = Cow::Borrowed("");
        loop {
            text += self.until(&['"', '\\']);
            if self.eat('"') {
                return Ok(text);
            }
            let mut symbols = self.rest.chars();
            symbols.next();
            match symbols.next().ok_or_else(open)? {
                'n' => text.to_mut().push('\n'),
                symbol @ ('"' | '\\') => text.to_mut().push(symbol),
                other => text.to_mut().extend(['\\', other]),
            }
            self.rest = symbols.as_str();
        }
    }
}

/// The value in what follows name and labels: a number, perhaps a timestamp, perhaps an exemplar.
fn value(rest: &str) -> Result<f64, String> {
    let mut words = rest.split(BLANKS).filter(|word| !word.is_empty());
    let value = number(words.next().unwrap_or_default())?;
    let mut next = words.next();
    if let Some(timestamp) = next.filter(|word| *word != "#") {
        if !number(timestamp)?.is_finite() {
            return Err(format!("{} is no timestamp", echo(timestamp)));
        }
        next = words.next();
    }
    match (next, words.next()) {
        (None, _) => Ok(value),
        (Some("#"), Some(exemplar)) if exemplar.starts_with('{') => Ok(value),
        (Some(word), _) => Err(format!("expected the end of the line at {}", echo(word))),
    }
}

fn number(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        // A number too large for a float is no infinity.
        Ok(value) if value.is_finite() || !word.contains(|symbol: char| symbol.is_ascii_digit()) => Ok(value),
        _ => Err(format!("{} is no number", echo(word))),
    }
}

fn is_identifier(name: &str, colons: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    name.bytes().all(fits) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn echo(text: &str) -> String {
    format!("{:?}", text.chars().take(LONGEST_ECHO).collect::<String>())
}
