//! The text formats of Prometheus (0.0.4) and OpenMetrics (1.0), read in one pass.

use std::borrow::Cow;

mod line;

/// A line longer than this, in bytes, is an error.
const LONGEST_LINE: usize = 64 * 1024;
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

/// Hands every sample line whose name is `wanted` to `sink`, in the order of the page.
///
/// Of other lines only the name is read. A line feed after the last line may be missing.
///
/// # Errors
///
/// The first line that breaks the format, is longer than 64 KiB, has more than 64 labels, or comes after 50,000 wanted
/// series. What `sink` got until then is part of a page that must not be used.
pub fn parse<'a>(
    text: &'a str,
    wanted: &dyn Fn(&str) -> bool,
    sink: &mut dyn FnMut(Series<'a>),
) -> Result<(), ParseError> {
    let (mut kept, mut ended) = (0, false);
    for (number, raw) in (1..).zip(text.split('\n')) {
        let failed = |what: String| ParseError { line: number, what };
        if raw.len() > LONGEST_LINE {
            return Err(failed(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        let line = raw.strip_suffix('\r').unwrap_or(raw).trim_matches(BLANKS);
        if line.is_empty() {
            continue;
        }
        if ended {
            return Err(failed("there is text after # EOF".to_owned()));
        }
        if line.starts_with('#') {
            ended = line == "# EOF";
            continue;
        }
        let Some(series) = line::sample(line, wanted).map_err(failed)? else { continue };
        if kept == MOST_SERIES {
            return Err(failed(format!("the page has more than {MOST_SERIES} wanted series")));
        }
        kept += 1;
        sink(series);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
