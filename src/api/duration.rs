//! Durations as Kubernetes writes them: `30s`, `1h30m`, `500ms`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Digits that a number in a duration has at most.
const DIGITS: usize = 9;

/// A length of time of at least zero and whole milliseconds, in Go's notation. What is shorter is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// The same length as the standard library has it.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// True for a duration of no length.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self(value)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return out.write_str("0s");
        }
        let (seconds, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        let parts =
            [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (u64::from(milliseconds), "ms")];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(out, "{count}{unit}"))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // More digits than the schema allows make the parser panic.
        let is_endless = text.split(|char: char| !char.is_ascii_digit()).any(|digits| digits.len() > DIGITS);
        let parsed = if is_endless || text.is_empty() { None } else { text.parse::<kube::core::Duration>().ok() };
        let parsed = parsed.ok_or_else(|| format!("{text:?} is no duration: write it as 30s, 5m or 1h30m"))?;
        if parsed.is_negative() {
            return Err(format!("{text:?} is negative: a duration is zero or more"));
        }
        let whole = std::time::Duration::from(parsed).as_millis();
        u64::try_from(whole).map(Self::from_millis).map_err(|_| format!("{text:?} is too long"))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 24,
            "pattern": r"^(0|([0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h))+)$",
        })
    }
}

#[cfg(test)]
mod tests;
