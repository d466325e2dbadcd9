//! Pages of metrics. A whole one is read as it was meant; a damaged one is read or refused.

use std::borrow::Cow;
use std::fmt::Write as _;

use cluster::metrics::exposition::{Page, Series};

use super::{Outcome, sentence, source::Source};

/// A series as it was meant.
struct Meant {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

const NAMES: [&str; 6] = ["errors_total", "requests_total", "up", "a:b", "latency_seconds_bucket", "_x"];
const LABELS: [&str; 5] = ["le", "code", "optimization", "_a", "handler"];

pub fn check(source: &mut Source) -> Outcome {
    let meant: Vec<Meant> = (0..source.below(12)).map(|_| series(source)).collect();
    let page = page(source, &meant);
    if source.one_in(3) {
        let read = read(&page).unwrap();
        assert_eq!(read.len(), meant.len(), "{page:?}");
        for (read, meant) in read.iter().zip(&meant) {
            let labels: Vec<(String, String)> =
                read.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let same = read.value == meant.value || (read.value.is_nan() && meant.value.is_nan());
            assert!(read.name == meant.name && labels == meant.labels && same, "{read:?} in {page:?}");
        }
        return Outcome::taken(page.len());
    }
    let page = if source.one_in(200) { page.repeat(200) } else { page };
    let page = source.damage(&page);
    let result = read(&page);
    match &result {
        Ok(found) => {
            for series in found {
                assert!(!series.name.is_empty() && series.labels.len() <= 64, "{series:?}");
                let names = series.labels.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>();
                assert_eq!(names.len(), series.labels.len(), "{series:?}");
            }
        }
        Err(what) => sentence(what),
    }
    Outcome { taken: result.is_ok(), bytes: page.len() }
}

fn read(page: &str) -> Result<Vec<Series<'_>>, String> {
    let mut found = Vec::new();
    let lines = page.split('\n').count();
    let mut reading = Page::default();
    for line in page.split('\n') {
        let series = reading.line(line, &|name| name != "unwanted").map_err(|error| {
            assert!((1..=lines).contains(&error.line), "{error}");
            error.to_string()
        })?;
        found.extend(series);
    }
    Ok(found)
}

fn series(source: &mut Source) -> Meant {
    let value = match source.below(5) {
        0 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][source.below(3)],
        1 => source.int() as f64,
        _ => source.float(),
    };
    let names = LABELS.into_iter().filter(|_| source.one_in(3)).collect::<Vec<_>>();
    let labels = names.into_iter().map(|name| (name.to_owned(), source.text())).collect();
    let name = if source.one_in(9) { format!("a.{}", source.text()) } else { source.pick(&NAMES).to_owned() };
    Meant { name, labels, value }
}

fn page(source: &mut Source, meant: &[Meant]) -> String {
    let mut page = String::new();
    for Meant { name, labels, value } in meant {
        if source.one_in(3) {
            page += source.pick(&["# HELP up é \"{\n", "# TYPE up counter\n", "#\n", "# up 1 # x\n"]);
        }
        if source.one_in(6) {
            page += "unwanted{} 1\n";
        }
        let plain = NAMES.contains(&name.as_str());
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut parts: Vec<String> = if plain { Vec::new() } else { vec![format!("\"{}\"", quoted(name))] };
        parts.extend(labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))));
        let braces =
            if parts.is_empty() && source.one_in(2) { String::new() } else { format!("{{{}}}", parts.join(",")) };
        let number: Cow<'_, str> = match value {
            value if value.is_nan() => "NaN".into(),
            value if value.is_infinite() => (if *value > 0.0 { "+Inf" } else { "-Inf" }).into(),
            value => format!("{value:e}").into(),
        };
        let tail = source.pick(&["", " 1700000000000", " 1.5 # {a=\"b\"} 1", "  ", "\r"]);
        let _ = writeln!(page, "{}{braces} {number}{tail}", if plain { name } else { "" });
    }
    if source.one_in(3) {
        page += "# EOF\n";
    }
    page
}
