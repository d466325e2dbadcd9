//! Answers of Prometheus' HTTP API. A whole one is read as it was meant; a damaged one is read or refused.

use cluster::metrics::prometheus::answer::{error, read};
use serde_json::{Value, json};

use super::{Outcome, json, sentence, source::Source};

const WORDS: [&str; 14] = [
    "status",
    "success",
    "error",
    "data",
    "result",
    "resultType",
    "vector",
    "matrix",
    "metric",
    "value",
    "values",
    "NaN",
    "warnings",
    "infos",
];

pub fn check(source: &mut Source) -> Outcome {
    let values: Vec<(i64, f64)> =
        (0..source.below(6)).map(|_| (source.below(1 << 40) as i64, source.float())).collect();
    let matrix = source.one_in(2);
    let sample = |(at, value): &(i64, f64)| json!([*at as f64 / 1000.0, value.to_string()]);
    let rows: Vec<Value> = values
        .iter()
        .map(|value| {
            let metric = json!({"__name__": source.text(), source.pick(&["pod", "namespace"]): source.text()});
            if matrix {
                json!({"metric": metric, "values": [[0, "1"], sample(value)]})
            } else {
                json!({"metric": metric, "value": sample(value)})
            }
        })
        .collect();
    let mut answer = json!({
        "status": "success",
        "data": {"resultType": if matrix { "matrix" } else { "vector" }, "result": rows},
    });
    if source.one_in(4) {
        let found = read(answer.to_string().as_bytes()).unwrap();
        let found: Vec<(i64, f64)> = found.iter().map(|row| (row.taken.as_millisecond(), row.value)).collect();
        assert_eq!(found, values, "{answer}");
        return Outcome::taken(answer.to_string().len());
    }
    json::damage(source, &mut answer, &WORDS);
    let text = answer.to_string();
    let text = if source.one_in(2) { source.damage(&text) } else { text };
    let mut body = text.into_bytes();
    if source.one_in(20) {
        let at = source.below(body.len() + 1);
        body.splice(at..at, [0xff, 0xfe]);
    }
    let _ = error(&body);
    let result = read(&body);
    if let Err(unusable) = &result {
        sentence(&unusable.to_string());
    }
    Outcome { taken: result.is_ok(), bytes: body.len() }
}
