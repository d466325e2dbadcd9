//! Settings that follow their files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    fs,
    sync::watch,
    time::{Instant, interval},
};

use crate::{metrics::Metrics, settings::Settings};

/// How often the files are read. A mounted ConfigMap changes by the swap of a symbolic link above the file, which a
/// watch on the file itself misses; reading a few hundred bytes again is cheaper than getting that right.
const PERIOD: Duration = Duration::from_millis(100);

/// The settings in use.
#[derive(Clone, Debug)]
pub struct Running {
    /// What they are.
    pub settings: Settings,
    /// When they came.
    pub since: Instant,
}

impl Running {
    /// Settings that come now.
    pub fn new(settings: Settings) -> Self {
        Self { settings, since: Instant::now() }
    }
}

/// Where the settings of a member are.
#[derive(Clone, Debug)]
pub struct Files {
    /// Read first; it may be missing.
    pub base: PathBuf,
    /// Laid over it; it may be missing.
    pub overlay: PathBuf,
}

impl Files {
    /// The settings in the files now.
    async fn read(&self) -> Result<Settings, String> {
        Settings::read(&text(&self.base).await?, &text(&self.overlay).await?)
    }
}

async fn text(path: &Path) -> Result<String, String> {
    match fs::read_to_string(path).await {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// When a member reads its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Reload {
    /// Again and again.
    Watch,
    /// Once.
    Start,
}

/// Follows the files for ever, or reads them once. Files that cannot be used leave the settings as they were.
pub async fn follow(files: Files, reload: Reload, running: watch::Sender<Running>, metrics: Arc<Metrics>) {
    let mut ticks = interval(PERIOD);
    let mut complaint = None;
    loop {
        ticks.tick().await;
        match files.read().await {
            Ok(next) => {
                complaint = None;
                running.send_if_modified(|current| {
                    let changed = current.settings != next;
                    if changed {
                        println!("runs now with {next:?}");
                        metrics.runs(&next);
                        *current = Running::new(next);
                    }
                    changed
                });
                if reload == Reload::Start {
                    // The settings in use go with their sender.
                    std::future::pending::<()>().await;
                }
            }
            Err(error) => {
                if complaint.as_ref() != Some(&error) {
                    eprintln!("the settings stay as they were: {error}");
                    metrics.config_error();
                }
                complaint = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
