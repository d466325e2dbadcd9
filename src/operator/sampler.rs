//! The looks: one task for each rollout that runs, apart from the queue of passes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cluster::metrics::{Answer, MetricsSource, Question};
use domain::{
    analysis::{History, Look},
    needs::{Sampling, Source},
    observation::Measurements,
};
use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube_runtime::reflector::ObjectRef;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    reconcile::{Guarded, Key},
    telemetry::Telemetry,
};

/// Who can be asked.
#[derive(Clone)]
pub struct Sources {
    /// The members themselves.
    pub members: Arc<dyn MetricsSource>,
    /// The servers that Connections name.
    pub connections: Arc<dyn MetricsSource>,
}

impl Sources {
    fn of(&self, source: &Source) -> &dyn MetricsSource {
        match source {
            Source::Pods { .. } => &*self.members,
            Source::Connection(_) => &*self.connections,
        }
    }
}

/// The samplers of all rollouts that run.
pub struct Samplers {
    tasks: Mutex<HashMap<Key, Task>>,
    sources: Sources,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    wake: UnboundedSender<ObjectRef<Guarded>>,
    telemetry: Arc<Telemetry>,
}

struct Task {
    sampling: watch::Sender<Sampling>,
    measurements: Arc<Mutex<Measurements>>,
    abort: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Samplers {
    /// No samplers yet.
    pub fn new(
        sources: Sources,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        wake: UnboundedSender<ObjectRef<Guarded>>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { tasks: Mutex::default(), sources, clock, wake, telemetry }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest measurements of a rollout.
    pub fn measurements(&self, key: &Key) -> Option<Measurements> {
        let tasks = self.lock();
        let measurements = &tasks.get(key)?.measurements;
        Some(measurements.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Looks at what a rollout needs now; at nothing if that is `None`.
    pub fn follow(&self, key: &Key, sampling: Option<Sampling>) {
        let mut tasks = self.lock();
        let Some(sampling) = sampling else {
            tasks.remove(key);
            return;
        };
        if let Some(task) = tasks.get(key).filter(|task| !task.abort.is_finished()) {
            task.sampling.send_if_modified(|old| {
                let changed = *old != sampling;
                if changed {
                    *old = sampling;
                }
                changed
            });
            return;
        }
        let measurements = Arc::new(Mutex::new(Measurements::default()));
        let (sender, receiver) = watch::channel(sampling);
        let sampler = Sampler {
            sources: self.sources.clone(),
            clock: self.clock.clone(),
            wake: self.wake.clone(),
            telemetry: self.telemetry.clone(),
            object: ObjectRef::new(&key.name).within(&key.namespace),
            measurements: measurements.clone(),
        };
        let abort = tokio::spawn(sampler.run(receiver)).abort_handle();
        tasks.insert(key.clone(), Task { sampling: sender, measurements, abort });
    }

    /// Ends the samplers of rollouts that are gone.
    pub fn retain(&self, exists: impl Fn(&Key) -> bool) {
        self.lock().retain(|key, _| exists(key));
    }
}

struct Sampler {
    sources: Sources,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    wake: UnboundedSender<ObjectRef<Guarded>>,
    telemetry: Arc<Telemetry>,
    object: ObjectRef<Guarded>,
    measurements: Arc<Mutex<Measurements>>,
}

impl Sampler {
    async fn run(self, mut needs: watch::Receiver<Sampling>) {
        let start = Instant::now();
        let mut sampling = needs.borrow_and_update().clone();
        let mut history = History::new(sampling.clone(), start.elapsed());
        let mut ticks = tokio::time::interval(sampling.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                changed = needs.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let next = needs.borrow_and_update().clone();
                    if next.interval != sampling.interval {
                        ticks = tokio::time::interval(next.interval);
                        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    }
                    sampling = next.clone();
                    history.follow(next, start.elapsed());
                    self.publish(&history);
                }
                _ = ticks.tick() => {
                    let Answer { scrapes, trouble, refused } = self.ask(&sampling, &history).await;
                    history.look(Look { at: start.elapsed(), now: (self.clock)(), scrapes, trouble, refused });
                    self.publish(&history);
                    let _ = self.wake.unbounded_send(self.object.clone());
                }
            }
        }
    }

    async fn ask(&self, sampling: &Sampling, history: &History) -> Answer {
        let Some(source) = &sampling.source else { return Answer::default() };
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (wanted, expressions) = (owned(history.wanted()), owned(history.expressions()));
        let question = Question {
            source,
            targets: &sampling.targets,
            wanted: &wanted,
            expressions: &expressions,
            interval: sampling.interval,
        };
        let answer = self.sources.of(source).look(question).await;
        for trouble in answer.trouble.iter().chain(answer.refused.values()) {
            tracing::debug!(rollout = %self.object, trouble, "no measurement");
        }
        for scrape in &answer.scrapes {
            self.telemetry.scraped(scrape.series.is_some());
        }
        answer
    }

    fn publish(&self, history: &History) {
        *self.measurements.lock().unwrap_or_else(PoisonError::into_inner) = history.measurements().clone();
    }
}
