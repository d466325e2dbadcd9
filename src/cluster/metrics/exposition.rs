//! The text formats of Prometheus (0.0.4) and OpenMetrics (1.0), read in one pass.

use std::borrow::Cow;

mod line;

/// A line longer than this, in bytes, is an error.
pub(super) const LONGEST_LINE: usize = 64 * 1024;
/// More wanted series than this on one page are an error.
const MOST_SERIES: usize = 50_000;
/// What separates the parts of a line.
const BLANKS: [char; 2] = [' ', '\t'];

/// Labels by name, in the order of the line, unescaped.
type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// One sample line. Timestamps and exemplars are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// Name of the sample as written, so with `_total`, `_bucket`, `_sum` or `_count`.
    pub name: Cow<'a, str>,
    /// Labels in the order of the line, unescaped; no name stands twice.
    pub labels: Labels<'a>,
    /// The value; may be NaN or infinite.
    pub value: f64,
}

/// Why a page cannot be read. Shows at most 40 characters of the page, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it, in one sentence.
    pub what: String,
}

/// A page that is read line by line; with an error it is not to be used at all.
#[derive(Debug, Default)]
pub struct Page {
    lines: usize,
    kept: usize,
    ended: bool,
}

impl Page {
    /// Reads the next line, without its line feed: a sample line whose name is `wanted`, or none. Of other lines only the
    /// name is read.
    ///
    /// # Errors
    /// When the line breaks the format, is longer than 64 KiB, has more than 64 labels, or comes after 50,000 wanted
    /// series.
    pub fn line<'a>(&mut self, raw: &'a str, wanted: &dyn Fn(&str) -> bool) -> Result<Option<Series<'a>>, ParseError> {
        self.lines += 1;
        let failed = |what: String| ParseError { line: self.lines, what };
        if raw.len() > LONGEST_LINE {
            return Err(failed(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        let line = raw.strip_suffix('\r').unwrap_or(raw).trim_matches(BLANKS);
        if line.is_empty() {
            return Ok(None);
        }
        if self.ended {
            return Err(failed("there is text after # EOF".to_owned()));
        }
        if line.starts_with('#') {
            self.ended = line == "# EOF";
            return Ok(None);
        }
        let Some(series) = line::sample(line, wanted).map_err(failed)? else { return Ok(None) };
        if self.kept == MOST_SERIES {
            return Err(failed(format!("the page has more than {MOST_SERIES} wanted series")));
        }
        self.kept += 1;
        Ok(Some(series))
    }
}

#[cfg(test)]
mod tests;
