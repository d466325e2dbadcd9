//! One rollout, applied from a file and watched.

use std::{path::Path, time::Duration};

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
};
use tokio::time::{Instant, sleep};

use crate::fleet::NAMESPACE;

/// How often the rollout is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// A rollout on the cluster.
pub struct Rollout {
    api: Api<OptimizationRollout>,
    name: String,
    shown: String,
}

impl Rollout {
    /// Creates the rollout of a file, after an older one of the same name is gone.
    ///
    /// # Errors
    /// When the file or the API server does not take it.
    pub async fn apply(client: Client, file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let rollout: OptimizationRollout =
            serde_saphyr::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let api: Api<OptimizationRollout> = Api::namespaced(client, NAMESPACE);
        let name = rollout.name_any();
        while api.get_opt(&name).await.map_err(|error| format!("cannot read {name}: {error}"))?.is_some() {
            let _ = api.delete(&name, &DeleteParams::default()).await;
            sleep(PERIOD).await;
        }
        let created = api.create(&PostParams::default(), &rollout).await;
        created.map_err(|error| format!("cannot create {name}: {error}"))?;
        Ok(Self { api, name, shown: String::new() })
    }

    /// Waits until `ended` holds for the rollout and its status, printing a line whenever something changes.
    ///
    /// # Errors
    /// When that takes longer than `longest`; with the last line.
    pub async fn until(
        &mut self,
        longest: Duration,
        mut ended: impl FnMut(&OptimizationRollout, &OptimizationRolloutStatus) -> bool,
    ) -> Result<OptimizationRollout, String> {
        let began = Instant::now();
        while began.elapsed() < longest {
            if let Ok(rollout) = self.api.get(&self.name).await {
                let status = rollout.status.clone().unwrap_or_default();
                self.show(&status);
                if ended(&rollout, &status) {
                    return Ok(rollout);
                }
            }
            sleep(PERIOD).await;
        }
        Err(format!("{} is not where it should be after {} s: {}", self.name, longest.as_secs(), self.shown))
    }

    fn show(&mut self, status: &OptimizationRolloutStatus) {
        let Some(summary) = &status.summary else { return };
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let message = ready.map_or("", |condition| condition.message.as_str());
        let line = format!(
            "{:<16} {:<12} {:>6}  {:<9} {:<24} {message}",
            self.name, summary.stage, summary.members, summary.traffic, summary.reason
        );
        if shape(&self.shown) != shape(&line) {
            println!("{}  {line}", jiff::Zoned::now().strftime("%H:%M:%S"));
        }
        self.shown = line;
    }
}

/// A line without the seconds that were watched: that they count up is no news.
fn shape(line: &str) -> String {
    line.split_once(" watched")
        .map_or(line, |(before, _)| before.rsplit_once(": ").map_or(before, |(kept, _)| kept))
        .to_owned()
}

/// When a retreat was decided, in milliseconds since 1970, and its run; from the mark on the rollout itself.
#[must_use]
pub fn decided(rollout: &OptimizationRollout) -> Option<(String, i64)> {
    let run = rollout.annotations().get(RETREAT_ANNOTATION)?.clone();
    let cause: serde_json::Value = serde_json::from_str(rollout.annotations().get(RETREAT_REASON_ANNOTATION)?).ok()?;
    let at: jiff::Timestamp = cause.get("at")?.as_str()?.parse().ok()?;
    Some((run, at.as_millisecond()))
}
