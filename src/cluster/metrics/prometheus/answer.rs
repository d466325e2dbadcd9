//! Answers of Prometheus' HTTP API to an instant query.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// One series of an answer, with its newest sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its labels, with its name as `__name__` if it has one.
    pub labels: BTreeMap<String, String>,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// When it was taken.
    pub taken: Timestamp,
}

/// Why an answer is none. Says nothing of what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not what Prometheus answers.
    #[error("answers with something that is not of Prometheus' HTTP API")]
    Foreign,
    /// The server says that the query failed.
    #[error("refuses the query: {0}")]
    Refused(&'static str),
    /// It may be partial.
    #[error("answers with {0} warnings, so that the answer may not be whole; run the query by hand to read them")]
    Warnings(usize),
    /// Some of the nodes that it asked have not answered.
    #[error("answers with what some of its nodes know; look whether all of its storage nodes are up")]
    Partial,
    /// The server thinks that the query does not do what it should.
    #[error("answers with {0} notes on the query; run it by hand to read them")]
    Notes(usize),
    /// No series, but one number or text.
    #[error("answers with one value for all; a query has to return one series per pod")]
    NoSeries,
}

/// The errors that the API knows; whatever else a server says of itself is not repeated.
const ERRORS: [&str; 8] =
    ["timeout", "canceled", "execution", "bad_data", "internal", "unavailable", "not_found", "not_acceptable"];

#[derive(Deserialize)]
struct Envelope<'a> {
    status: Cow<'a, str>,
    #[serde(rename = "errorType")]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(default)]
    warnings: Vec<IgnoredAny>,
    #[serde(default)]
    infos: Vec<IgnoredAny>,
    /// How a cluster of VictoriaMetrics says that some of its nodes have not answered.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Found {
    metric: BTreeMap<String, String>,
    value: Option<Sample>,
    values: Option<Newest>,
}

#[derive(Deserialize)]
struct Sample(f64, String);

/// The last of many samples; the others are not kept.
struct Newest(Option<Sample>);

impl<'de> Deserialize<'de> for Newest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Last;
        impl<'de> Visitor<'de> for Last {
            type Value = Newest;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("samples")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut samples: A) -> Result<Newest, A::Error> {
                let mut last = None;
                while let Some(sample) = samples.next_element()? {
                    last = Some(sample);
                }
                Ok(Newest(last))
            }
        }
        deserializer.deserialize_seq(Last)
    }
}

/// The error that an answer names, if the API knows it.
#[must_use]
pub fn error(body: &[u8]) -> Option<&'static str> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    ERRORS.into_iter().find(|known| envelope.error.as_deref() == Some(known))
}

/// The series of an answer. Those that hold native histograms alone are left out.
///
/// # Errors
/// Why it may not be used.
pub fn read(body: &[u8]) -> Result<Vec<Row>, Unusable> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|_| Unusable::Foreign)?;
    if envelope.status == "error" {
        let known = ERRORS.into_iter().find(|known| envelope.error.as_deref() == Some(known));
        return Err(Unusable::Refused(known.unwrap_or("for a reason of its own")));
    }
    let data = envelope.data.filter(|_| envelope.status == "success").ok_or(Unusable::Foreign)?;
    if !envelope.warnings.is_empty() {
        return Err(Unusable::Warnings(envelope.warnings.len()));
    }
    if envelope.is_partial {
        return Err(Unusable::Partial);
    }
    if !envelope.infos.is_empty() {
        return Err(Unusable::Notes(envelope.infos.len()));
    }
    match &*data.kind {
        "matrix" | "vector" => {}
        "scalar" | "string" => return Err(Unusable::NoSeries),
        _ => return Err(Unusable::Foreign),
    }
    let found: Vec<Found> = serde_json::from_str(data.result.get()).map_err(|_| Unusable::Foreign)?;
    found.into_iter().filter_map(|found| row(found).transpose()).collect()
}

fn row(found: Found) -> Result<Option<Row>, Unusable> {
    let Some(Sample(seconds, value)) = found.values.and_then(|newest| newest.0).or(found.value) else {
        return Ok(None);
    };
    let value = value.parse().map_err(|_| Unusable::Foreign)?;
    // A cast of a float ends at the bounds of the integer, and those are no times.
    let taken = Timestamp::from_millisecond((seconds * 1000.0).round() as i64).map_err(|_| Unusable::Foreign)?;
    Ok(Some(Row { labels: found.metric, value, taken }))
}

#[cfg(test)]
mod tests;
