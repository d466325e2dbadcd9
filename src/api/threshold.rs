//! Limits as people write them: `1%`, `250ms`, `512Mi`, `0.5`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const UNITS: [(&str, f64); 9] = [
    ("%", 0.01),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("k", 1e3),
    ("M", 1e6),
];

/// A number of at least zero with an optional unit, kept as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    value: f64,
}

impl Threshold {
    /// So many percent.
    #[must_use]
    pub fn percent(percent: u32) -> Self {
        Self { text: format!("{percent}%"), value: f64::from(percent) / 100.0 }
    }

    /// Another number, written in this one's unit with at most three decimals: `0.42%`.
    #[must_use]
    pub fn write(&self, value: f64) -> String {
        let (unit, factor) = UNITS.iter().find(|(unit, _)| self.text.ends_with(unit)).copied().unwrap_or(("", 1.0));
        let number = format!("{:.3}", value / factor);
        let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
        format!("{number}{unit}")
    }

    /// The number in base units: seconds, bytes, or a ratio for `%`.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
            .unwrap_or((text, 1.0));
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match number.parse::<f64>() {
            Ok(number) if plain => Ok(Self { text: text.to_owned(), value: number * factor }),
            _ => Err(format!("{text:?} is no limit: write it as 1%, 250ms, 512Mi or 0.5")),
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 24,
            "pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?(%|us|ms|s|Ki|Mi|Gi|k|M)?$",
        })
    }
}

#[cfg(test)]
mod tests;
