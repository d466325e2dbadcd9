//! Events: one for each transition, once, whoever repeats it.

use api::{OptimizationRollout, names::FIELD_MANAGER};
use domain::{plan::Notice, run::stable_hash};
use jiff::Timestamp;
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Resource, ResourceExt, core::ObjectMeta};

use super::{WriteError, Writer};

impl Writer {
    /// Publishes an event about a rollout as it was committed. Its name derives from what it says, and of a transition from
    /// when it happened, so that a repetition is the same event, and the same at another time is not.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn notice(
        &self,
        rollout: &OptimizationRollout,
        notice: &Notice,
        reporter: &str,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let name = rollout.name_any();
        let status = rollout.status.as_ref();
        let run = status.and_then(|status| status.run.as_ref()).map_or("", |run| run.id.as_str());
        let transition = status.and_then(|status| status.history.last());
        let transition = transition.filter(|last| last.reason == notice.reason && last.message == notice.message);
        let since = transition.map(|last| last.time.0.to_string()).unwrap_or_default();
        let identity = stable_hash(&[run, &notice.reason.to_string(), &notice.message, &since]);
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{identity:016x}")),
                namespace: rollout.namespace(),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(format!("{}/{FIELD_MANAGER}", api::names::GROUP)),
            reporting_instance: Some(reporter.to_owned()),
            action: Some(notice.reason.to_string()),
            reason: Some(notice.reason.to_string()),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            note: Some(notice.message.clone()),
            regarding: Some(rollout.object_ref(&())),
            ..Event::default()
        };
        match self.create(&self.api::<Event>(rollout), "event", &event).await {
            Err(WriteError::Exists(_)) => Ok(()),
            result => result.map(drop),
        }
    }
}
