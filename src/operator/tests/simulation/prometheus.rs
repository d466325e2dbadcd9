//! A Prometheus in this process: scrapes the members at its own pace, and keeps what they said. The real one is tried
//! on a real cluster.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cluster::metrics::{Answer, MetricsSource, Question, Scraper};
use domain::{analysis::Scrape, needs::Source, series::Series};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    members::Members,
    world::{World, key, rollout},
};

/// How often each member is scraped, and how old a sample may get.
const SCRAPES: Duration = Duration::from_secs(15);
const STALE: Duration = Duration::from_secs(40);

#[derive(Default)]
struct State {
    down: bool,
    deaf: bool,
    samples: BTreeMap<String, (Timestamp, Vec<Series>)>,
}

pub struct Prometheus {
    members: Arc<Members>,
    clock: sim::Clock,
    state: Mutex<State>,
}

impl Prometheus {
    pub fn new(members: Arc<Members>, clock: sim::Clock) -> Self {
        Self { members, clock, state: Mutex::default() }
    }

    /// From now on it answers nobody.
    pub fn stop(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// From now on its own scrapes fail, and it answers with what it has.
    pub fn deafen(&self) {
        self.state.lock().unwrap().deaf = true;
    }

    async fn ask(&self, question: Question<'_>) -> Answer {
        let now = self.clock.now();
        let (down, deaf) = {
            let state = self.state.lock().unwrap();
            (state.down, state.deaf)
        };
        let mut answer = Answer::default();
        let Source::Connection(connection) = question.source else { return answer };
        answer.trouble = connection.spec.as_ref().err().cloned();
        if down {
            answer.trouble = Some("Connection prometheus cannot be reached".to_owned());
        }
        for target in question.targets {
            // Members have offsets of their own within the interval.
            let offset = target.member.bytes().map(u64::from).sum::<u64>() % SCRAPES.as_secs();
            let due = (now.as_second().unsigned_abs() + offset) / SCRAPES.as_secs();
            let due = due * SCRAPES.as_secs() - offset;
            let due = Timestamp::from_second(i64::try_from(due).unwrap()).unwrap();
            let known = self.state.lock().unwrap().samples.get(&target.pod).map(|(taken, _)| *taken);
            if !deaf
                && known.is_none_or(|known| known < due)
                && let Ok(mut series) = self.members.scrape(target, "/metrics", question.wanted).await
            {
                series.iter_mut().for_each(|series| series.taken = Some(due.max(now - Duration::from_secs(2))));
                let taken = series.first().and_then(|series| series.taken).unwrap_or(now);
                self.state.lock().unwrap().samples.insert(target.pod.clone(), (taken, series));
            }
            let state = self.state.lock().unwrap();
            // A range ends at the time of the query: what was taken before the clock was set back is beyond it.
            let fresh = |taken| Duration::try_from(now.duration_since(taken)).is_ok_and(|age| age <= STALE);
            let series = state.samples.get(&target.pod).filter(|(taken, _)| fresh(*taken));
            let series = series.map(|(_, series)| series.clone()).unwrap_or_default();
            let series = answer.trouble.is_none().then_some(series);
            answer.scrapes.push(Scrape { member: target.member.clone(), pod: target.pod.clone(), series });
        }
        answer
    }
}

impl MetricsSource for Prometheus {
    fn look<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(self.ask(question))
    }
}

/// The Connection to it.
pub fn connection() -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "Connection", "metadata": {"name": "prometheus"},
        "spec": {
            "type": "Prometheus", "url": "http://prometheus:9090", "allowedNamespaces": [crate::world::NAMESPACE],
            "staleAfter": "40s",
        },
    })
}

/// The usual rollout, measured by a Prometheus that scrapes every 15 seconds, looked at every two.
fn by_prometheus(deadline: &str) -> Value {
    let mut rollout = rollout("pooling");
    rollout["spec"]["metrics"] = json!({
        "interval": "2s", "source": {"connection": "prometheus"}, "silence": {"deadline": deadline},
    });
    for stage in rollout["spec"]["stages"].as_array_mut().unwrap() {
        stage["bake"] = json!("60s");
    }
    rollout
}

#[tokio::test(start_paused = true)]
async fn a_good_rollout_settles_by_samples_that_come_every_fifteen_seconds() {
    let world = World::new();
    world.apply(&connection());
    let replica = world.start("replica-1");
    world.apply(&by_prometheus("5m"));
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.check();
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_rollout_is_taken_back_by_samples_that_come_every_fifteen_seconds() {
    let world = World::new();
    world.apply(&connection());
    world.members.harm_above(2);
    let replica = world.start("replica-1");
    world.apply(&by_prometheus("5m"));
    world.until("taken back", |world| world.history("pooling").contains(&"Restored".to_owned())).await;
    assert_eq!(world.optimized(), 0);
    world.check();
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_prometheus_that_stops_or_stops_scraping_holds_the_run_and_then_takes_it_back() {
    for stops in [true, false] {
        let world = World::new();
        world.apply(&connection());
        let replica = world.start("replica-1");
        world.apply(&by_prometheus("3m"));
        world.until_reason("pooling", "Baking").await;
        if stops {
            world.prometheus.stop(true)
        } else {
            world.prometheus.deafen()
        }
        world.until("silence", |world| world.history("pooling").contains(&"SilenceDeadline".to_owned())).await;
        let status = world.status("pooling");
        assert_eq!(status.stage.map(|stage| stage.index), Some(0), "it never went on: {:?}", status.history);
        world.check();
        replica.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_lets_the_run_go_on() {
    let world = World::new();
    world.apply(&connection());
    let replica = world.start("replica-1");
    world.apply(&by_prometheus("10m"));
    world.until_reason("pooling", "Baking").await;
    let connections: kube::Api<api::Connection> = kube::Api::all(world.server.client_as("person"));
    connections.delete("prometheus", &kube::api::DeleteParams::default()).await.unwrap();
    world.until_reason("pooling", "AwaitingMeasurements").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let says = world.status("pooling").indicators.first().map(|indicator| indicator.message.clone());
    assert!(says.as_ref().is_some_and(|says| says.contains("does not exist")), "{says:?}");
    assert_eq!(world.status("pooling").stage.map(|stage| stage.index), Some(0));
    world.apply(&connection());
    world.until_reason("pooling", "Settled").await;
    world.check();
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_waits_for_a_connection_that_it_may_use_and_touches_nothing() {
    let world = World::new();
    let replica = world.start("replica-1");
    world.apply(&by_prometheus("5m"));
    world.until_reason("pooling", "ConnectionMissing").await;
    let mut foreign = connection();
    foreign["spec"]["allowedNamespaces"] = json!(["another"]);
    world.apply(&foreign);
    world.until_reason("pooling", "ConnectionNotAllowed").await;
    let touched = world.writes().into_iter().filter(|write| !write.contains("optimizationrollouts")).count();
    assert_eq!(touched, 0);
    assert!(world.server.object(&key("pooling")).is_some());
    world.apply(&connection());
    world.until_reason("pooling", "Baking").await;
    replica.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_would_be_over_between_two_good_samples_is_refused() {
    let world = World::new();
    world.apply(&connection());
    let replica = world.start("replica-1");
    world.apply(&by_prometheus("30s"));
    world.until_reason("pooling", "InvalidSpec").await;
    assert_eq!(world.optimized(), 0);
    replica.stop().await;
}
