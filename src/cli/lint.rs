//! Checking files without a cluster: the schema, the rules of the definition, and what the operator would refuse.

use std::{io::Read, path::Path, process::ExitCode};

use api::{OptimizationRollout, names::GROUP};
use domain::decide::acceptance;
use serde::Serialize;
use serde_json::Value;

use crate::{options::Output, output};
use document::Node;

pub mod document;
mod rules;
mod schema;

/// The name that stands for standard input.
const STDIN: &str = "-";
const VERSION: &str = "v1alpha1";
const KIND: &str = "OptimizationRollout";
/// The other kind of the group: the API server checks it.
const CONNECTION: &str = "Connection";

/// One thing that is not right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file; `-` for standard input.
    pub file: String,
    /// Line in it, from 1; 0 where there is none.
    pub line: u64,
    /// Kind and name of the object; empty where the file itself cannot be read.
    pub object: String,
    /// Path of the field.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What the files came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    findings: Vec<Finding>,
    /// Objects of other kinds.
    skipped: Vec<String>,
    /// Rollouts that were looked at.
    checked: usize,
}

/// Checks files and says what was found.
pub fn run(files: &[std::path::PathBuf], format: Option<Output>) -> Result<ExitCode, String> {
    let mut report = Report::default();
    for file in files {
        check(&file.display().to_string(), &read(file)?, &mut report);
    }
    match format {
        Some(format) => output::print(format, &report.findings)?,
        None => {
            report.findings.iter().for_each(|finding| println!("{finding}"));
            report.skipped.iter().for_each(|note| println!("{note}"));
            let found = report.findings.len();
            let rollouts = report.checked;
            println!("{rollouts} {} checked, {found} {}", plural("rollout", rollouts), plural("finding", found));
        }
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// The text of a file, or of standard input for `-`.
pub fn read(file: &Path) -> Result<String, String> {
    if file == Path::new(STDIN) {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Rollouts of a file that have no findings; otherwise the findings as one text.
pub fn rollouts(file: &Path) -> Result<Vec<OptimizationRollout>, String> {
    let (name, text) = (file.display().to_string(), read(file)?);
    let mut report = Report::default();
    let found = check(&name, &text, &mut report);
    if report.findings.is_empty() {
        return Ok(found);
    }
    let lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    Err(format!("the file would be refused:\n{}", lines.join("\n")))
}

/// What the rules say of an object that replaces another one.
pub fn refusals(object: &Value, old: &Value) -> Vec<String> {
    let problems = rules::transition(object, Some(old), true);
    problems.into_iter().map(|Problem { field, message }| format!("{field}: {message}")).collect()
}

fn check(file: &str, text: &str, report: &mut Report) -> Vec<OptimizationRollout> {
    let documents = match document::parse(text) {
        Ok(documents) => documents,
        Err((line, message)) => {
            let (object, field) = (String::new(), String::new());
            report.findings.push(Finding { file: file.to_owned(), line, object, field, message });
            return Vec::new();
        }
    };
    let objects = documents.iter().flat_map(document::objects);
    objects.filter_map(|object| check_object(file, object, report)).collect()
}

fn check_object(file: &str, node: &Node, report: &mut Report) -> Option<OptimizationRollout> {
    let mut object = node.json();
    schema::prune(&mut object);
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, api_version) = (text("/kind"), text("/apiVersion"));
    let name = match text("/metadata/name") {
        "" => text("/metadata/generateName"),
        name => name,
    };
    let ours = kind == KIND || api_version.starts_with(GROUP);
    if !ours || kind == CONNECTION {
        let what = if kind.is_empty() { "a document without a kind".to_owned() } else { format!("{kind}/{name}") };
        report.skipped.push(format!("{file}:{}: {what}: skipped, lint knows {KIND} alone", node.line));
        return None;
    }
    report.checked += 1;
    let mut problems = identity(kind, api_version, name);
    if problems.is_empty() {
        problems = schema::check(&object);
        let structural = problems.len();
        problems.extend(rules::check(&object, structural == 0));
    }
    let parsed = if problems.is_empty() { semantics(&object, &mut problems) } else { None };
    report.findings.extend(problems.into_iter().map(|Problem { field, message }| Finding {
        file: file.to_owned(),
        line: node.locate(&field),
        object: format!("{kind}/{name}"),
        field,
        message,
    }));
    parsed
}

/// One thing that is not right with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    field: String,
    message: String,
}

impl Problem {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

fn identity(kind: &str, api_version: &str, name: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if kind != KIND {
        problems.push(Problem::new("kind", format!("{GROUP} has no kind {kind:?}; write {KIND}")));
    }
    if api_version != format!("{GROUP}/{VERSION}") {
        problems.push(Problem::new("apiVersion", format!("{api_version:?} is not served; write {GROUP}/{VERSION}")));
    }
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.is_empty() {
        problems.push(Problem::new("metadata.name", "is missing; give the rollout a name"));
    } else if !(name.bytes().all(is_inner) && is_end(name.bytes().next()) && is_end(name.bytes().last())) {
        let message = "may hold lowercase letters, digits, - and . alone, and begins and ends with a letter or digit";
        problems.push(Problem::new("metadata.name", message));
    }
    problems
}

/// What the operator itself would stall on, whatever the cluster looks like.
fn semantics(object: &Value, problems: &mut Vec<Problem>) -> Option<OptimizationRollout> {
    match serde_json::from_value::<OptimizationRollout>(object.clone()) {
        Ok(rollout) => {
            if let Some(problem) = acceptance::offline(&rollout) {
                let (field, message) = match problem.message.split_once(": ") {
                    Some((field, message)) if field.starts_with("spec.") => (field, message),
                    _ => ("spec", problem.message.as_str()),
                };
                problems.push(Problem::new(field, message));
            }
            Some(rollout)
        }
        Err(error) => {
            problems.push(Problem::new("spec", format!("cannot be read: {error}")));
            None
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.file)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        for part in [&self.object, &self.field, &self.message] {
            if !part.is_empty() {
                write!(out, ": {part}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
