//! Queries, as text. Nothing that a user wrote gets into one but as an escaped value of a label.

use std::time::Duration;

use api::connection::MemberLabels;
use domain::needs::Target;

/// A query for the samples that these metrics of these members have in the last `range`. One query for all of them:
/// both cohorts come from one moment.
#[must_use]
pub fn samples(
    names: &[String],
    labels: &MemberLabels,
    namespace: &str,
    targets: &[Target],
    range: Duration,
) -> String {
    let names = alternatives(names.iter().map(String::as_str));
    let pods = alternatives(targets.iter().map(|target| target.name.as_str()));
    let namespace = value(namespace);
    let millis = range.as_millis();
    let MemberLabels { namespace: namespace_label, pod: pod_label } = labels;
    format!("{{__name__=~{names},{namespace_label}={namespace},{pod_label}=~{pods}}}[{millis}ms]")
}

/// A value as PromQL writes it.
fn value(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// A value that matches each of these texts and nothing else.
fn alternatives<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(literal).collect();
    value(&quoted.join("|"))
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
