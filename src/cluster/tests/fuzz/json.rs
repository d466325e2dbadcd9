//! Objects with a few fields other than they should be.

use serde_json::{Value, json};

use super::source::Source;

/// Changes some fields, which may be missing, twice there, of another type or of a strange value then.
pub fn damage(source: &mut Source, value: &mut Value, words: &[&str]) {
    for _ in 0..=source.below(3) {
        damage_once(source, value, words);
    }
}

fn damage_once(source: &mut Source, value: &mut Value, words: &[&str]) {
    let descends = !source.one_in(4);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(source.below(fields.len())).cloned().unwrap();
            match source.below(8) {
                _ if descends => damage_once(source, fields.get_mut(&key).unwrap(), words),
                0 | 1 => drop(fields.remove(&key)),
                2 => {
                    let field = fields.remove(&key).unwrap();
                    fields.insert(source.pick(words).to_owned(), field);
                }
                3 => drop(fields.insert(source.pick(words).to_owned(), other(source, words))),
                _ => drop(fields.insert(key, other(source, words))),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = source.below(items.len());
            match source.below(4) {
                _ if descends => damage_once(source, &mut items[at], words),
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.reverse(),
                _ => items[at] = other(source, words),
            }
        }
        value => *value = other(source, words),
    }
}

/// Anything.
fn other(source: &mut Source, words: &[&str]) -> Value {
    match source.below(12) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!([]),
        3 => json!(source.one_in(2)),
        4 | 5 => json!(source.int()),
        6 => json!(source.float()),
        7 => json!(source.text()),
        8 => json!({source.pick(words): source.int()}),
        9 => json!([source.pick(words)]),
        _ => json!(source.pick(words)),
    }
}
