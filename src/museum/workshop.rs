//! A copy of the sources to break. Builds are kept between exhibits, so that only what an edit concerns is built again.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{exhibit::Edit, mutation::mutate};

/// Folders that no build needs, and the one whose content holds for all folders beneath it.
const LEFT_OUT: [&str; 3] = ["target", ".git", ".cargo"];

/// The copy.
pub struct Workshop {
    /// The sources that are copied.
    root: PathBuf,
    /// The copy of them.
    pub sources: PathBuf,
    /// Where they are built.
    pub target: PathBuf,
    /// What tests say.
    pub logs: PathBuf,
}

impl Workshop {
    /// Brings the copy to what the sources say now. Files that are the same are not written, so they are not built anew.
    pub fn open(root: &Path) -> Result<Self, String> {
        let folder = root.join("target/museum");
        let workshop = Self {
            root: root.to_owned(),
            sources: folder.join("sources"),
            target: folder.join("target"),
            logs: folder.join("logs"),
        };
        let fails = |error: io::Error| format!("cannot copy the sources to {}: {error}", folder.display());
        copy(root, &workshop.sources).map_err(fails)?;
        fs::create_dir_all(&workshop.logs).map_err(fails)?;
        // Programs that scripts have built are not built again for the copy.
        let programs = workshop.sources.join("target");
        if !programs.exists() {
            std::os::unix::fs::symlink(root.join("target"), programs).map_err(fails)?;
        }
        Ok(workshop)
    }

    /// The files that edits change, with their new text.
    pub fn mutated(&self, edits: &[Edit]) -> Result<BTreeMap<String, String>, String> {
        let mut files = BTreeMap::new();
        for Edit { file, find, replace } in edits {
            let text = match files.remove(file) {
                Some(text) => text,
                None => fs::read_to_string(self.root.join(file)).map_err(|error| format!("{file}: {error}"))?,
            };
            files.insert(file.clone(), mutate(&text, find, replace).map_err(|what| format!("{file} {what}"))?);
        }
        Ok(files)
    }

    /// Writes files of the copy.
    pub fn write(&self, files: &BTreeMap<String, String>) -> Result<(), String> {
        files.iter().try_for_each(|(file, text)| {
            fs::write(self.sources.join(file), text).map_err(|error| format!("cannot write {file}: {error}"))
        })
    }

    /// Gives files of the copy back what the sources say.
    pub fn restore<'f>(&self, files: impl Iterator<Item = &'f String>) -> Result<(), String> {
        for file in files {
            let text = fs::read(self.root.join(file)).and_then(|text| fs::write(self.sources.join(file), text));
            text.map_err(|error| format!("cannot restore {file}: {error}"))?;
        }
        Ok(())
    }
}

/// Makes one folder like another one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let left_out = |name: &std::ffi::OsStr| LEFT_OUT.iter().any(|folder| name == *folder);
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, copied) = (entry.path(), to.join(entry.file_name()));
        if left_out(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&source, &copied)?;
        } else if fs::read(&copied).ok() != Some(fs::read(&source)?) {
            fs::copy(&source, &copied)?;
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if from.join(entry.file_name()).exists() || left_out(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}
