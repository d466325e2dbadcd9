use std::fmt::Write as _;

use rstest::rstest;

use super::*;

const GOOD: &str = include_str!("../../../examples/rollouts/dns-cache.yaml");

fn findings(text: &str) -> String {
    let mut report = Report::default();
    check("f.yaml", text, &mut report);
    let mut lines = String::new();
    for finding in &report.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{finding}");
    }
    lines
}

/// A sound rollout with one line changed.
fn with(line: &str, replaced: &str) -> String {
    const SOUND: &str = "\
apiVersion: optimization.qudag.io/v1alpha1
kind: OptimizationRollout
metadata: {name: tuning}
spec:
  fleet:
    selector: {matchLabels: {app: node}}
    config:
      rendered: {name: settings, key: '{member}.toml'}
      format: Toml
    acknowledgement: {timer: 90s}
  optimizations:
  - name: pool
    settings:
    - {path: pool.enabled, optimized: true}
    - {path: pool.max, optimized: 100}
  stages:
  - {name: half, percent: 50, bake: 10s}
  - {name: full, percent: 100, bake: 10s}
  metrics: {source: {pods: {port: metrics}}}
  indicators:
  - name: errors
    max: 1%
    metric: {ratio: {numerator: a, denominator: b}}
";
    assert!(SOUND.contains(line), "{line}");
    SOUND.replace(line, replaced)
}

#[rstest]
#[case::example(GOOD.to_owned())]
#[case::other_example(include_str!("../../../examples/rollouts/network-tuning.yaml").to_owned())]
#[case::sound(with("", ""))]
#[case::with_base(include_str!("../../../examples/rollouts/with-base.yaml").to_owned())]
#[case::a_base_with_a_similar_name(with(
    "'{member}.toml'}",
    "'{member}.toml', base: {name: settings-base, key: base.toml}}"
))]
#[case::a_null_is_a_field_left_out(with("format: Toml", "format: null"))]
#[case::json(r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}"#.to_owned())]
#[case::nothing("---\n---\n".to_owned())]
fn what_is_right_has_no_findings(#[case] text: String) {
    assert_eq!(findings(&text), "");
}

#[rstest]
#[case::a_percentage_that_falls(
    "percent: 100, bake",
    "percent: 40, bake",
    ":5: OptimizationRollout/tuning: spec: stages: percent must rise from stage to stage"
)]
#[case::over_a_hundred_percent(
    "percent: 100, bake",
    "percent: 101, bake",
    ":18: OptimizationRollout/tuning: spec.stages[1].percent: may be at most 100, and is 101"
)]
#[case::an_empty_selector(
    "{matchLabels: {app: node}}",
    "{}",
    ":6: OptimizationRollout/tuning: spec.fleet.selector: selector: an empty selector would name every pod of the namespace; give it matchLabels"
)]
#[case::a_key_without_member(
    "'{member}.toml'",
    "settings.toml",
    ":8: OptimizationRollout/tuning: spec.fleet.config.rendered.key: key: must contain {member}, so that each member has a file of its own"
)]
#[case::a_base_that_the_operator_would_write(
    "'{member}.toml'}",
    "'{member}.toml', base: {name: settings-1, key: base.toml}}",
    ":8: OptimizationRollout/tuning: spec.fleet.config.rendered: base: the operator writes this ConfigMap; choose another"
)]
#[case::a_base_without_a_key(
    "'{member}.toml'}",
    "'{member}.toml', base: {name: settings-base}}",
    ":8: OptimizationRollout/tuning: spec.fleet.config.rendered.base.key: is missing"
)]
#[case::a_path_twice_in_one_optimization(
    "path: pool.max", "path: pool.enabled",
    r#":15: OptimizationRollout/tuning: spec.optimizations[0].settings[1]: path "pool.enabled" stands there twice; keep one"#)]
#[case::a_path_in_two_optimizations(
    "  stages:\n",
    "  - {name: other, settings: [{path: pool.max, optimized: 1}]}\n  stages:\n",
    ":12: OptimizationRollout/tuning: spec.optimizations: path pool.max stands in pool and in other; keep it in one of them"
)]
#[case::a_path_below_a_value(
    "path: pool.max",
    "path: pool.enabled.max",
    ":12: OptimizationRollout/tuning: spec.optimizations: "
)]
#[case::an_indicator_without_a_limit(
    "    max: 1%\n",
    "",
    ":21: OptimizationRollout/tuning: spec.indicators[0]: indicator: set a limit: max, min, maxIncrease or maxDecrease"
)]
#[case::a_quantile_of_one(
    "{ratio: {numerator: a, denominator: b}}",
    "{histogram: {name: h, quantile: '1'}}",
    r#":23: OptimizationRollout/tuning: spec.indicators[0].metric.histogram.quantile: "1" does not have the form "#
)]
#[case::a_quantile_that_is_a_number(
    "{ratio: {numerator: a, denominator: b}}",
    "{histogram: {name: h, quantile: 0.99}}",
    ":23: OptimizationRollout/tuning: spec.indicators[0].metric.histogram.quantile: must be a text (in quotes if it looks like a number or a boolean), and is 0.99"
)]
#[case::a_series_that_does_not_parse(
    "numerator: a,",
    "numerator: 'a{code',",
    ":23: OptimizationRollout/tuning: spec.indicators[errors].metric: "
)]
#[case::two_kinds_of_metric(
    "{ratio: {numerator: a, denominator: b}}",
    "{gauge: {gauge: a}, rate: {counter: b}}",
    ":23: OptimizationRollout/tuning: spec.indicators[0].metric: must have exactly one of ratio, histogram, rate, gauge, growth, event"
)]
#[case::no_source_of_measurements(
    "  metrics: {source: {pods: {port: metrics}}}\n",
    "",
    ":5: OptimizationRollout/tuning: spec: metrics: indicators need a source of measurements; set spec.metrics"
)]
#[case::a_misspelt_field(
    "percent: 50, bake",
    "percentage: 50, percent: 50, bake",
    ":17: OptimizationRollout/tuning: spec.stages[0].percentage: is unknown; known are "
)]
#[case::a_field_in_the_singular(
    "  stages:\n",
    "  indicator: []\n  stages:\n",
    ":16: OptimizationRollout/tuning: spec.indicator: is unknown; did you mean indicators?"
)]
#[case::a_field_in_the_wrong_place(
    "spec:\n",
    "stages: []\nspec:\n",
    ":4: OptimizationRollout/tuning: stages: is no field of a rollout; remove it"
)]
#[case::a_missing_field(
    "{name: settings, key: '{member}.toml'}",
    "{name: settings}",
    ":8: OptimizationRollout/tuning: spec.fleet.config.rendered.key: is missing"
)]
#[case::a_word_where_a_number_belongs(
    "percent: 100, bake",
    "percent: all, bake",
    r#":18: OptimizationRollout/tuning: spec.stages[1].percent: must be a whole number, and is "all""#
)]
#[case::an_unknown_format(
    "format: Toml",
    "format: Yaml",
    r#":9: OptimizationRollout/tuning: spec.fleet.config.format: "Yaml" is unknown; choose one of Toml, Json, Env"#
)]
#[case::a_duration_without_a_unit(
    "timer: 90s",
    "timer: '90'",
    r#":10: OptimizationRollout/tuning: spec.fleet.acknowledgement.timer: "90" does not have the form "#
)]
#[case::a_list_as_a_value(
    "optimized: 100",
    "optimized: [1]",
    ":15: OptimizationRollout/tuning: spec.optimizations[0].settings[1].optimized: must be a boolean, a number or a text, and is a list"
)]
#[case::too_long_a_name(
    "{name: settings,",
    "{name: a123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890,",
    ":8: OptimizationRollout/tuning: spec.fleet.config.rendered.name: may have at most 200 characters, and has 211"
)]
#[case::a_name_with_capitals(
    "{name: tuning}",
    "{name: Tuning}",
    ":3: OptimizationRollout/Tuning: metadata.name: may hold lowercase letters"
)]
#[case::no_name("{name: tuning}", "{}", ":3: OptimizationRollout/: metadata.name: is missing")]
#[case::another_version(
    "qudag.io/v1alpha1", "qudag.io/v2",
    r#":1: OptimizationRollout/tuning: apiVersion: "optimization.qudag.io/v2" is not served; write optimization.qudag.io/v1alpha1"#)]
#[case::another_kind(
    "kind: OptimizationRollout",
    "kind: Rollout",
    r#":2: Rollout/tuning: kind: optimization.qudag.io has no kind "Rollout"; write OptimizationRollout"#
)]
#[case::two_names_that_are_the_same(
    "name: full",
    "name: half",
    r#":18: OptimizationRollout/tuning: spec.stages[1]: name "half" stands there twice; keep one"#
)]
#[case::a_promotion_to_no_stage(
    "  stages:\n",
    "  promoteThrough: all\n  stages:\n",
    "OptimizationRollout/tuning: spec: promoteThrough: names no stage of this rollout"
)]
fn what_is_wrong_is_one_line(#[case] line: &str, #[case] replaced: &str, #[case] expected: &str) {
    let found = findings(&with(line, replaced));
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains(expected), "{found}\n{expected}");
}

#[test]
fn a_duration_beyond_all_measure_is_found_and_ends_nothing() {
    let found = findings(&with("percent: 50, bake: 10s", "percent: 50, bake: 99999999999999999999999999h"));
    assert!(found.contains("spec.stages[0].bake"), "{found}");
}

#[test]
fn lines_count_through_all_documents_and_lists() {
    let bad = with("percent: 100, bake", "percent: 101, bake");
    let list: String = bad.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("{bad}---\n{bad}---\nkind: List\nitems:\n-{}", list.strip_prefix(' ').unwrap());
    let lines = bad.lines().count();
    let found = findings(&text);
    let numbers: Vec<&str> = found.lines().map(|line| line.split(':').nth(1).unwrap()).collect();
    let expected = [18, lines + 1 + 18, 2 * (lines + 1) + 2 + 18].map(|line| line.to_string());
    assert_eq!(numbers, expected, "{found}");
}

#[rstest]
#[case::of_kubernetes("v1", "Service")]
#[case::of_ours("optimization.qudag.io/v1alpha1", "Connection")]
fn other_kinds_are_named_and_left_alone(#[case] api_version: &str, #[case] kind: &str) {
    let mut report = Report::default();
    check("f.yaml", &format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: qudag}}\n"), &mut report);
    assert!(report.findings.is_empty() && report.checked == 0);
    assert_eq!(report.skipped, [format!("f.yaml:1: {kind}/qudag: skipped, lint knows OptimizationRollout alone")]);
}

#[test]
fn what_is_no_yaml_says_on_which_line() {
    let found = findings("a: 1\nb: [1\nc: 2\n");
    assert!(found.starts_with("f.yaml:") && found.contains("is no YAML: ") && found.lines().count() == 1, "{found}");
}
