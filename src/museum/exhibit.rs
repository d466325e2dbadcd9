//! What an exhibit is: a bug, how to make it in our code, and the test that must not miss it.

use std::{fs, path::Path};

use serde::Deserialize;

/// One bug.
#[derive(Debug)]
pub struct Exhibit {
    /// Name of its file.
    pub name: String,
    /// Where it happened, as project and number; none where it is our own order of writes that is broken.
    pub neighbour: Option<String>,
    /// What happens, in a sentence.
    pub bug: String,
    /// Whether we can have it already.
    pub kind: Kind,
}

/// Whether our code can have a bug.
#[derive(Debug)]
pub enum Kind {
    /// It can: this way.
    Mutant(Mutant),
    /// It cannot yet; what it waits for.
    Pending(String),
}

/// How a bug is made, and who catches it.
#[derive(Debug)]
pub struct Mutant {
    /// The changes that make it.
    pub edits: Vec<Edit>,
    /// What has to turn red.
    pub test: Test,
    /// What the test has to say, for example the name of a law.
    pub says: String,
}

/// One change of a source file. Texts are compared word by word: how lines are broken and indented does not matter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the root of the repository.
    pub file: String,
    /// A text that it has exactly once.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Test {
    /// A test of a crate.
    Cargo {
        /// The crate.
        package: String,
        /// The file of integration tests that it is in; none for unit tests.
        target: Option<String>,
        /// The test, or the beginning of its name.
        name: String,
    },
    /// A program of the repository.
    Program {
        /// Its path from the root of the repository.
        program: String,
    },
}

impl Test {
    /// By what people know it.
    pub fn name(&self) -> &str {
        match self {
            Self::Cargo { name, .. } => name,
            Self::Program { program } => program,
        }
    }
}

/// An exhibit as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    neighbour: Option<String>,
    bug: String,
    pending: Option<String>,
    #[serde(default)]
    edits: Vec<Edit>,
    test: Option<Test>,
    says: Option<String>,
}

/// All exhibits of a folder, by name.
pub fn all(folder: &Path) -> Result<Vec<Exhibit>, String> {
    let fails = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut exhibits = Vec::new();
    for file in fs::read_dir(folder).map_err(fails)? {
        let path = file.map_err(fails)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(fails)?;
        exhibits.push(read(&name, &text).map_err(|what| format!("{}: {what}", path.display()))?);
    }
    exhibits.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(exhibits)
}

fn read(name: &str, text: &str) -> Result<Exhibit, String> {
    let Label { neighbour, bug, pending, edits, test, says } =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let kind = match (pending, test, says) {
        (Some(why), None, None) if edits.is_empty() => Kind::Pending(why),
        (None, Some(test), Some(says)) if !edits.is_empty() => Kind::Mutant(Mutant { edits, test, says }),
        _ => return Err("an exhibit has edits, a test and what it says, or nothing but what it is pending for".into()),
    };
    Ok(Exhibit { name: name.to_owned(), neighbour, bug, kind })
}

#[cfg(test)]
mod tests;
