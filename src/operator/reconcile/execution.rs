//! A plan is carried out: what takes away, then the status and its events, then what goes on.

use std::time::Duration;

use api::{OptimizationRollout, reason::Reason};
use cluster::execute::{WriteError, withdraw::Withdrawn};
use domain::{observation::Problem, plan::Plan};
use kube::ResourceExt;

use super::{AFTER_FAILURE, Context, Key};

impl Context {
    /// What takes away, and on which version the status is committed then; or when to look again.
    async fn withdraw(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        plan: &Plan,
    ) -> Result<(OptimizationRollout, Vec<WriteError>), Duration> {
        if plan.withdraw.is_empty() {
            return Ok((rollout.clone(), Vec::new()));
        }
        let Withdrawn { marked, mut errors, outdated } = self.writer.withdraw(rollout, &plan.withdraw).await;
        errors.extend(outdated.into_iter().map(WriteError::Conflict));
        let Some(marked) = marked else { return Ok((rollout.clone(), errors)) };
        let reason = plan.status.retreat.as_ref().map_or_else(String::new, |retreat| retreat.reason.to_string());
        self.telemetry.retreated(&reason);
        if marked.status == rollout.status {
            return Ok((marked, errors));
        }
        // The mark went through, but the status is newer than what this pass decided on: not ours to write over.
        errors.push(WriteError::Conflict(format!("status of {key}")));
        Err(self.failed(key, errors))
    }

    /// Executes a plan in its order; says when to look again.
    pub(super) async fn execute(&self, key: &Key, rollout: &OptimizationRollout, plan: &Plan) -> Duration {
        let term = self.leadership.term();
        let leads = || self.leadership.still_leads(term);
        let (mut base, mut errors) = match self.withdraw(key, rollout, plan).await {
            Ok(withdrawn) => withdrawn,
            Err(wait) => return wait,
        };
        match self.writer.commit(&base, &plan.status).await {
            Ok(committed) => {
                if committed.resource_version() != base.resource_version() {
                    self.memory.reported(key);
                }
                base = committed;
            }
            Err(error) => return self.uncommitted(key, error),
        }
        for notice in &plan.notices {
            tracing::info!(rollout = %key, reason = %notice.reason, message = %notice.message, "transition");
            if let Err(error) = self.writer.notice(&base, notice, &self.replica, (self.clock)()).await {
                tracing::warn!(rollout = %key, %error, "an event was not published");
            }
        }
        if !plan.advance.is_empty() && leads() {
            errors.extend(self.writer.advance(&base, &plan.advance, &leads).await.err().into_iter().flatten());
        }
        if errors.is_empty() {
            self.memory.agreed(key);
            if !plan.advance.is_empty() || !plan.withdraw.is_empty() {
                self.memory.accepted(key);
            }
            return plan.requeue;
        }
        self.failed(key, errors)
    }

    /// That a status cannot be written no status can say, and once one can it is not so any more.
    fn uncommitted(&self, key: &Key, error: WriteError) -> Duration {
        if !matches!(error, WriteError::Refused { .. }) {
            return self.failed(key, vec![error]);
        }
        self.telemetry.write_failed("Refused");
        tracing::warn!(rollout = %key, %error, "a status is refused");
        AFTER_FAILURE
    }

    fn failed(&self, key: &Key, errors: Vec<WriteError>) -> Duration {
        let is_stale = |error: &WriteError| matches!(error, WriteError::Conflict(_) | WriteError::NotFound(_));
        let after_conflict = errors.iter().any(is_stale).then(|| self.memory.conflicted(key));
        if after_conflict.is_none() {
            self.memory.agreed(key);
        } else if self.memory.is_outdated(key) {
            self.renew(key);
        }
        let after_failure = errors.iter().any(|error| !is_stale(error)).then_some(AFTER_FAILURE);
        for error in errors {
            match &error {
                WriteError::Conflict(_) | WriteError::NotFound(_) => {
                    tracing::debug!(rollout = %key, %error, "decided on an old version");
                    self.telemetry.write_failed("Conflict");
                }
                WriteError::Exists(what) => {
                    self.telemetry.write_failed("Exists");
                    let message =
                        format!("{what} exists and was not made by a rollout; delete it or choose another name");
                    self.memory.refused(key, Problem::new(Reason::ConfigMapNotOwned, message));
                }
                WriteError::Refused { .. } => {
                    self.telemetry.write_failed("Refused");
                    tracing::warn!(rollout = %key, %error, "a write is refused");
                    self.memory.refused(key, Problem::new(Reason::WriteRefused, error.to_string()));
                }
                WriteError::Budget { uid, message, .. } => {
                    self.telemetry.write_failed("Budget");
                    tracing::info!(rollout = %key, %error, "an eviction is refused");
                    self.memory.unevicted(key, uid, message);
                }
                WriteError::NotLeading => tracing::debug!(rollout = %key, %error, "somebody else goes on"),
                WriteError::Unavailable { .. } => {
                    self.telemetry.write_failed("Unavailable");
                    tracing::warn!(rollout = %key, %error, "a write got no answer");
                }
            }
        }
        after_conflict.into_iter().chain(after_failure).min().unwrap_or(AFTER_FAILURE)
    }
}
