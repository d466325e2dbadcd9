//! The settings that optimizations change.

use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// Names of the optimizations, as rollouts and the metric `optimization_enabled` have them.
pub const OPTIMIZATIONS: [&str; 3] = ["connection_pooling", "dns_cache", "memory_pooling"];

/// What a member runs with. Everything is off unless a file says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `[network]`.
    pub network: Network,
    /// `[dns]`.
    pub dns: Dns,
    /// `[memory]`.
    pub memory: Memory,
    /// What the operator calls the overlay; empty without one.
    pub revision: String,
}

/// Connections to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Network {
    /// `[network.pool]`.
    pub pool: Pool,
}

/// The pool of connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pool {
    /// Keep connections instead of opening one for each request.
    pub enabled: bool,
    /// Connections that are kept at most.
    pub max: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self { enabled: false, max: 10 }
    }
}

/// Name resolution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// `[dns.cache]`.
    pub cache: Switch,
}

/// Buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// `[memory.pool]`.
    pub pool: Switch,
}

/// Something that is on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: bool,
}

impl Settings {
    /// The settings of a base file with an overlay on top. Keys that are not ours are let be.
    ///
    /// # Errors
    /// Which of the two does not parse, or which value is of the wrong type.
    pub fn read(base: &str, overlay: &str) -> Result<Self, String> {
        let parse = |what: &str, text: &str| {
            text.parse::<DocumentMut>().map_err(|error| format!("the {what} does not parse: {error}"))
        };
        let mut merged = parse("base file", base)?;
        merge(merged.as_table_mut(), parse("overlay", overlay)?.as_table());
        toml_edit::de::from_document(merged).map_err(|error| format!("the settings are not valid: {error}"))
    }

    /// Whether an optimization of [`OPTIMIZATIONS`] is on.
    pub fn is_on(&self, optimization: &str) -> bool {
        match optimization {
            "connection_pooling" => self.network.pool.enabled,
            "dns_cache" => self.dns.cache.enabled,
            "memory_pooling" => self.memory.pool.enabled,
            _ => false,
        }
    }
}

/// Lays one table over another; tables in both are merged, everything else is replaced.
fn merge(base: &mut dyn TableLike, overlay: &Table) {
    for (key, value) in overlay {
        merge_item(base, key, value);
    }
}

fn merge_item(base: &mut dyn TableLike, key: &str, value: &Item) {
    let Some(table) = value.as_table_like() else {
        base.insert(key, value.clone());
        return;
    };
    if base.get(key).is_none_or(|item| !item.is_table_like()) {
        base.insert(key, Item::Table(Table::new()));
    }
    let Some(into) = base.get_mut(key).and_then(Item::as_table_like_mut) else { return };
    for (key, value) in table.iter() {
        merge_item(into, key, value);
    }
}

#[cfg(test)]
mod tests;
