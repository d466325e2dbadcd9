//! Series of a metrics endpoint, and how indicators name them.

use std::str::FromStr;

use jiff::Timestamp;

/// One sample of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// When it was taken, where a source keeps samples; `None`: at the look.
    pub taken: Option<Timestamp>,
}

impl Series {
    /// Value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// A metric name with equality matchers: `http_requests_total{code="500"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Name of the metric.
    pub name: String,
    /// Labels that a series must have with these values.
    pub labels: Vec<(String, String)>,
}

impl Selector {
    /// Whether a series is meant.
    #[must_use]
    pub fn matches(&self, series: &Series) -> bool {
        series.name == self.name && self.labels.iter().all(|(name, value)| series.label(name) == Some(value))
    }

    /// The same matchers on another metric: the parts of a histogram.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self { name: format!("{}{suffix}", self.name), labels: self.labels.clone() }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            format!(
                "{text:?} names no series: write a metric name, with equality matchers if needed: \
                     http_requests_total{{code=\"500\"}}"
            )
        };
        let (name, matchers) = match text.split_once('{') {
            None => (text, ""),
            Some((name, rest)) => (name, rest.strip_suffix('}').ok_or_else(refused)?),
        };
        let name = name.trim();
        if !is_name(name, true) {
            return Err(refused());
        }
        let mut labels = Vec::new();
        let mut rest = matchers.trim();
        while !rest.is_empty() {
            let (label, after) = rest.split_once('=').ok_or_else(refused)?;
            let after = after.trim_start().strip_prefix('"').ok_or_else(refused)?;
            let (value, after) = quoted(after).ok_or_else(refused)?;
            if !is_name(label.trim(), false) {
                return Err(refused());
            }
            labels.push((label.trim().to_owned(), value));
            rest = after.trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next.trim_start(),
                None if rest.is_empty() => {}
                None => return Err(refused()),
            }
        }
        Ok(Self { name: name.to_owned(), labels })
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return text.get(index + 1..).map(|rest| (value, rest)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                _ => return None,
            },
            other => value.push(other),
        }
    }
    None
}

fn is_name(text: &str, colons: bool) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    text.bytes().next().is_some_and(|first| valid(first) && !first.is_ascii_digit()) && text.bytes().all(valid)
}

#[cfg(test)]
mod tests;
