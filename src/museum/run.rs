//! Building and running tests in the workshop.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    exhibit::{Mutant, Test},
    workshop::Workshop,
};

/// A test that runs for longer has met a bug that never ends: that is not what was to be caught.
const LONGEST: Duration = Duration::from_secs(600);

/// Runs all tests once without a bug: each has to be there and to pass.
pub fn unmutated<'t>(workshop: &Workshop, tests: impl Iterator<Item = &'t Test>) -> Result<(), String> {
    let mut programs: BTreeMap<Program<'_>, Vec<&str>> = BTreeMap::new();
    for test in tests {
        let names = programs.entry(Program::of(test)).or_default();
        if let Test::Cargo { name, .. } = test {
            names.push(name);
        }
    }
    for (program, names) in programs {
        let built = program.build(workshop)?.map_err(|log| format!("{program} does not compile:\n{log}"))?;
        let outcome = built.run(workshop, &names, "unmutated")?;
        if !outcome.passed {
            return Err(format!("{program} fails without any bug:\n{}", outcome.text));
        }
        if let Some(missing) = names.iter().find(|name| !outcome.has_run(name)) {
            return Err(format!("{program} has no test whose name begins with {missing}"));
        }
    }
    Ok(())
}

/// Runs the test of an exhibit with its bug. Returns the seconds that it took to be caught, or why it was not.
pub fn mutated(workshop: &Workshop, mutant: &Mutant) -> Result<Result<u64, String>, String> {
    let began = Instant::now();
    let files = workshop.mutated(&mutant.edits)?;
    workshop.write(&files)?;
    let outcome = judged(workshop, mutant);
    workshop.restore(files.keys())?;
    Ok(outcome?.map(|()| began.elapsed().as_secs()))
}

fn judged(workshop: &Workshop, mutant: &Mutant) -> Result<Result<(), String>, String> {
    let program = Program::of(&mutant.test);
    let built = match program.build(workshop)? {
        Ok(built) => built,
        Err(log) => return Ok(Err(format!("is not run: with the bug, {program} does not compile:\n{log}"))),
    };
    let names: Vec<&str> = if let Test::Cargo { name, .. } = &mutant.test { vec![name] } else { Vec::new() };
    let outcome = built.run(workshop, &names, "mutated")?;
    Ok(match outcome {
        Outcome { ended: false, .. } => Err(format!("does not end within {LONGEST:?}")),
        Outcome { passed: true, .. } => Err("passes".to_owned()),
        Outcome { text, .. } if !text.contains(&mutant.says) => {
            Err(format!("fails, but does not say \"{}\":\n{text}", mutant.says))
        }
        Outcome { .. } => Ok(()),
    })
}

/// What holds tests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Program<'t> {
    /// Tests of a crate: the unit tests or those of one target.
    Cargo(&'t str, Option<&'t str>),
    /// A program of the repository.
    Path(&'t str),
}

/// A program that can be run, and where.
struct Built {
    program: PathBuf,
    folder: PathBuf,
}

/// What a line of cargo's own says.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
}

impl<'t> Program<'t> {
    fn of(test: &'t Test) -> Self {
        match test {
            Test::Cargo { package, target, .. } => Self::Cargo(package, target.as_deref()),
            Test::Program { program } => Self::Path(program),
        }
    }

    /// Builds it; else what the compiler says.
    fn build(&self, workshop: &Workshop) -> Result<Result<Built, String>, String> {
        let (package, target) = match *self {
            Self::Path(path) => {
                let program = workshop.sources.join(path);
                return Ok(Ok(Built { program, folder: workshop.sources.clone() }));
            }
            Self::Cargo(package, target) => (package, target),
        };
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--no-run", "--quiet", "--locked", "--message-format", "json-render-diagnostics"]);
        cargo.args(["--package", package]);
        match target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        cargo.current_dir(&workshop.sources).env("CARGO_TARGET_DIR", &workshop.target);
        // A mutant need not be tidy.
        cargo.env("CARGO_TERM_COLOR", "never").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
        let built = messages.filter_map(|message| Some((message.executable?, message.manifest_path?))).next_back();
        let (program, manifest) = built.ok_or_else(|| format!("cargo has built no tests of {self}"))?;
        let folder = manifest.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Ok(Built { program, folder }))
    }
}

impl std::fmt::Display for Program<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cargo(package, None) => write!(out, "package {package}"),
            Self::Cargo(package, Some(target)) => write!(out, "package {package}, tests {target}"),
            Self::Path(path) => write!(out, "{path}"),
        }
    }
}

/// What became of tests.
struct Outcome {
    ended: bool,
    passed: bool,
    text: String,
}

impl Outcome {
    /// Whether there was a test whose name begins so.
    fn has_run(&self, name: &str) -> bool {
        self.text.lines().filter_map(|line| line.strip_prefix("test ")).any(|line| line.contains(name))
    }
}

impl Built {
    /// Runs tests of these names, or all.
    fn run(&self, workshop: &Workshop, names: &[&str], log: &str) -> Result<Outcome, String> {
        let fails = |error: std::io::Error| format!("cannot run {}: {error}", self.program.display());
        let log = workshop.logs.join(log);
        let output = File::create(&log).map_err(fails)?;
        let errors = output.try_clone().map_err(fails)?;
        let mut command = Command::new(&self.program);
        command
            .args(names)
            .env("RUST_BACKTRACE", "0")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let mut child = command.spawn().map_err(fails)?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(fails)? {
                break Some(status);
            }
            if began.elapsed() > LONGEST {
                child.kill().and_then(|()| child.wait()).map_err(fails)?;
                break None;
            }
            sleep(Duration::from_millis(20));
        };
        let text = String::from_utf8_lossy(&fs::read(&log).map_err(fails)?).into_owned();
        Ok(Outcome { ended: status.is_some(), passed: status.is_some_and(|status| status.success()), text })
    }
}
