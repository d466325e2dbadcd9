//! Queries, as text. Nothing that a user wrote gets into one but as an escaped value of a label.

use std::time::Duration;

use api::connection::MemberLabels;
use domain::needs::Target;

/// Bytes that the names of members take in one query at most. VictoriaMetrics refuses queries of more than 16 KiB.
const MOST_BYTES: usize = 12 * 1024;

/// Queries for the samples that these metrics of these members have in the last `range`: one for all of them, as long as
/// they fit into one.
#[must_use]
pub fn samples(
    names: &[String],
    labels: &MemberLabels,
    namespace: &str,
    targets: &[Target],
    range: Duration,
) -> Vec<String> {
    let names = alternatives(&names.iter().map(|name| literal(name)).collect::<Vec<_>>());
    let namespace = value(namespace);
    let millis = range.as_millis();
    let MemberLabels { namespace: namespace_label, pod: pod_label } = labels;
    let query = |pods: &Vec<String>| {
        let pods = alternatives(pods);
        format!("{{__name__=~{names},{namespace_label}={namespace},{pod_label}=~{pods}}}[{millis}ms]")
    };
    fitting(targets.iter().map(|target| literal(&target.name))).iter().map(query).collect()
}

/// Texts in groups that fit into a query.
fn fitting(texts: impl Iterator<Item = String>) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for text in texts {
        bytes += text.len() + 1;
        match groups.last_mut().filter(|_| bytes <= MOST_BYTES) {
            Some(group) => group.push(text),
            None => {
                bytes = text.len() + 1;
                groups.push(vec![text]);
            }
        }
    }
    groups
}

/// A value as PromQL writes it.
fn value(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// A value that matches each of these regular expressions and nothing else.
fn alternatives(expressions: &[String]) -> String {
    value(&expressions.join("|"))
}

/// A regular expression that matches this text alone.
fn literal(text: &str) -> String {
    text.chars().fold(String::new(), |mut quoted, symbol| {
        if symbol.is_ascii() && !symbol.is_ascii_alphanumeric() && !matches!(symbol, '_' | '-' | ':' | '\n') {
            quoted.push('\\');
        }
        quoted.push(symbol);
        quoted
    })
}

#[cfg(test)]
mod tests;
