//! The looks: one task for each rollout that runs, apart from the queue of passes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cluster::metrics::Scraper;
use domain::{
    analysis::{History, Look, Scrape},
    needs::{Sampling, Target},
    observation::Measurements,
};
use futures::{StreamExt, channel::mpsc::UnboundedSender, stream};
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

/// Members that are asked at once.
const CONCURRENT_SCRAPES: usize = 200;
/// Share of the interval after which a look is judged without the members that have not answered.
const PATIENCE: f64 = 0.4;
/// Bounds of that time.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
const MOST_PATIENCE: Duration = Duration::from_millis(900);

/// The samplers of all rollouts that run.
pub struct Samplers {
    tasks: Mutex<HashMap<Key, Task>>,
    scraper: Arc<dyn Scraper>,
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
        scraper: Arc<dyn Scraper>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        wake: UnboundedSender<ObjectRef<Guarded>>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self { tasks: Mutex::default(), scraper, clock, wake, telemetry }
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
    pub fn follow(&self, key: &Key, object: &ObjectRef<Guarded>, sampling: Option<Sampling>) {
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
            scraper: self.scraper.clone(),
            clock: self.clock.clone(),
            wake: self.wake.clone(),
            telemetry: self.telemetry.clone(),
            object: object.clone(),
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
    scraper: Arc<dyn Scraper>,
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
                    let scrapes = self.scrape(&sampling, &history).await;
                    history.look(Look { at: start.elapsed(), now: (self.clock)(), scrapes });
                    self.publish(&history);
                    let _ = self.wake.unbounded_send(self.object.clone());
                }
            }
        }
    }

    async fn scrape(&self, sampling: &Sampling, history: &History) -> Vec<Scrape> {
        let Some(path) = &sampling.endpoint else { return Vec::new() };
        let wanted: Vec<String> = history.wanted().into_iter().map(str::to_owned).collect();
        let patience = sampling.interval.mul_f64(PATIENCE).clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let scrapes: Vec<_> =
            sampling.targets.iter().map(|target| self.scrape_member(target, path, &wanted, patience)).collect();
        stream::iter(scrapes).buffer_unordered(CONCURRENT_SCRAPES).collect().await
    }

    async fn scrape_member(&self, target: &Target, path: &str, wanted: &[String], patience: Duration) -> Scrape {
        let series = match tokio::time::timeout(patience, self.scraper.scrape(target, path, wanted)).await {
            Ok(Ok(series)) => Some(series),
            Ok(Err(error)) => {
                tracing::debug!(rollout = %self.object, %error, "no measurement");
                None
            }
            Err(_) => None,
        };
        self.telemetry.scraped(series.is_some());
        Scrape { member: target.member.clone(), pod: target.pod.clone(), series }
    }

    fn publish(&self, history: &History) {
        *self.measurements.lock().unwrap_or_else(PoisonError::into_inner) = history.measurements().clone();
    }
}
