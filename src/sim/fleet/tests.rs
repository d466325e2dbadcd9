use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{EvictParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Fleet, FleetSpec};
use crate::{ApiServer, Key};

const NAMESPACE: &str = "qudag";

struct World {
    server: ApiServer,
    fleet: Fleet,
    pods: Api<Pod>,
}

fn start(members: usize) -> World {
    let server = ApiServer::new();
    server.put(config_map("0"));
    let fleet = Fleet::start(&server, FleetSpec { members, ..FleetSpec::default() });
    let pods = Api::namespaced(server.client_as("replica-1"), NAMESPACE);
    World { server, fleet, pods }
}

fn config_map(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "qudag-optimizations", "namespace": NAMESPACE},
        "data": {"f": value},
    })
}

impl World {
    fn write(&self, value: &str) {
        self.server.put(config_map(value));
    }

    async fn annotate(&self, pod: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": self.server.timestamp()}}}));
        self.pods.patch(pod, &PatchParams::default(), &patch).await.unwrap();
    }

    fn file(&self) -> String {
        self.fleet.file("qudag-node-0", "f").unwrap()
    }

    fn pod(&self, name: &str) -> Option<Pod> {
        let pod = self.server.object(&Key::of::<Pod>(NAMESPACE, name))?;
        Some(serde_json::from_value(pod).unwrap())
    }

    /// Names of the pods that get traffic.
    fn routed(&self) -> BTreeSet<String> {
        let slice = self.server.object(&Key::of::<EndpointSlice>(NAMESPACE, "qudag-node-0")).unwrap();
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        let ready = slice
            .endpoints
            .into_iter()
            .filter(|endpoint| endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true)));
        ready.map(|endpoint| endpoint.target_ref.unwrap().name.unwrap()).collect()
    }
}

fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref().unwrap();
    status.conditions.as_ref().unwrap().iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test(start_paused = true)]
async fn the_members_are_there_and_get_traffic_from_the_start() {
    let world = start(4);
    let pods = world.pods.list(&ListParams::default().labels("app=qudag-node")).await.unwrap().items;
    let addresses: BTreeSet<_> = pods.iter().map(|pod| pod.status.as_ref().unwrap().pod_ip.clone()).collect();
    assert_eq!((pods.len(), addresses.len()), (4, 4));
    assert!(pods.iter().all(is_ready));
    assert_eq!(world.routed().len(), 4);
    assert_eq!(world.file(), "0");
    let nodes: BTreeSet<_> = pods.iter().map(|pod| pod.spec.as_ref().unwrap().node_name.clone()).collect();
    assert_eq!(nodes.len(), 3);
    assert_eq!(world.server.objects("nodes").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_changed_config_map_arrives_after_a_minute() {
    let world = start(1);
    world.write("1");
    sleep(ms(59_900)).await;
    assert_eq!(world.file(), "0");
    sleep(ms(200)).await;
    assert_eq!(world.file(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_touch_after_the_write_brings_it_at_once() {
    let world = start(2);
    world.write("1");
    world.annotate("qudag-node-0").await;
    sleep(ms(290)).await;
    assert_eq!(world.file(), "0");
    sleep(ms(20)).await;
    assert_eq!(world.file(), "1");
    assert_eq!(world.fleet.file("qudag-node-1", "f").unwrap(), "0", "nobody touched it");
}

#[tokio::test(start_paused = true)]
async fn a_touch_together_with_the_write_may_miss_it() {
    let mut missed = 0;
    for content in 1..10 {
        let world = start(1);
        let maps: Api<ConfigMap> = Api::namespaced(world.server.client_as("replica-1"), NAMESPACE);
        let patch = Patch::Merge(json!({"data": {"f": content.to_string()}}));
        let write = async { maps.patch("qudag-optimizations", &PatchParams::default(), &patch).await };
        let (write, ()) = tokio::join!(write, world.annotate("qudag-node-0"));
        write.unwrap();
        sleep(ms(1_000)).await;
        missed += u32::from(world.file() == "0");
        world.annotate("qudag-node-0").await;
        sleep(ms(301)).await;
        assert_eq!(world.file(), content.to_string());
    }
    assert!((1..9).contains(&missed), "{missed} of 9");
}

#[tokio::test(start_paused = true)]
async fn an_old_projection_does_not_undo_a_newer_one() {
    let world = start(1);
    world.write("1");
    sleep(ms(59_900)).await;
    world.annotate("qudag-node-0").await;
    sleep(ms(50)).await;
    world.write("2");
    sleep(ms(1_000)).await;
    assert_eq!(world.file(), "2", "the minute of the first change was over after the second");
}

#[tokio::test(start_paused = true)]
async fn each_member_can_have_a_config_map_of_its_own() {
    let server = ApiServer::new();
    let mut map = config_map("mine");
    map["metadata"]["name"] = json!("qudag-node-1-config");
    server.put(map);
    let spec = FleetSpec { members: 2, config_map: "{member}-config".to_owned(), ..FleetSpec::default() };
    let fleet = Fleet::start(&server, spec);
    assert_eq!(fleet.file("qudag-node-0", "f"), None);
    assert_eq!(fleet.file("qudag-node-1", "f").as_deref(), Some("mine"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_leaves_and_joins_the_traffic_by_its_label() {
    let world = start(3);
    let serving = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"optimization.qudag.io/serving": value}}}));
    world.pods.patch("qudag-node-1", &PatchParams::default(), &serving("false")).await.unwrap();
    sleep(ms(40)).await;
    assert_eq!(world.routed().len(), 3);
    sleep(ms(20)).await;
    assert_eq!(world.routed(), ["qudag-node-0".to_owned(), "qudag-node-2".to_owned()].into());
    world.pods.patch("qudag-node-1", &PatchParams::default(), &serving("true")).await.unwrap();
    sleep(ms(60)).await;
    assert_eq!(world.routed().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_changed_selector_moves_the_traffic() {
    let world = start(2);
    world.server.edit(&Key::of::<Pod>(NAMESPACE, "qudag-node-0"), |pod| {
        pod["metadata"]["labels"]["optimization.qudag.io/cohort"] = json!("optimized");
    });
    world.server.edit(&Key::of::<Service>(NAMESPACE, "qudag-node"), |service| {
        service["spec"]["selector"]["optimization.qudag.io/cohort"] = json!("baseline");
    });
    sleep(ms(60)).await;
    assert_eq!(world.routed(), ["qudag-node-1".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn an_unready_pod_gets_no_traffic() {
    let world = start(2);
    world.fleet.set_ready("qudag-node-0", false);
    sleep(ms(60)).await;
    assert_eq!(world.routed(), ["qudag-node-1".to_owned()].into());
    world.fleet.set_ready("qudag-node-0", true);
    sleep(ms(60)).await;
    assert_eq!(world.routed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_comes_back_as_another() {
    let world = start(2);
    world.annotate("qudag-node-0").await;
    let before = world.pod("qudag-node-0").unwrap();
    world.write("1");
    world.pods.evict("qudag-node-0", &EvictParams::default()).await.unwrap();
    assert!(world.pod("qudag-node-0").unwrap().metadata.deletion_timestamp.is_some(), "it has its time to end");
    assert_eq!(world.routed().len(), 2);
    sleep(ms(100)).await;
    assert_eq!(world.routed().len(), 1, "and gets nothing new");
    sleep(ms(1_000)).await;
    assert!(world.pod("qudag-node-0").is_none());
    sleep(ms(500)).await;
    let after = world.pod("qudag-node-0").unwrap();
    assert_ne!(after.metadata.uid, before.metadata.uid);
    assert_ne!(after.status.as_ref().unwrap().pod_ip, before.status.as_ref().unwrap().pod_ip);
    assert_eq!(after.metadata.annotations, None, "the template has none");
    assert_eq!(world.file(), "1", "a new pod starts with what is there");
    assert!(!is_ready(&after));
    sleep(ms(1_100)).await;
    assert_eq!(world.routed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_pod_is_another_at_once() {
    let world = start(1);
    let before = world.pod("qudag-node-0").unwrap();
    world.fleet.replace("qudag-node-0");
    let uid = world.pod("qudag-node-0").unwrap().metadata.uid;
    assert_ne!(uid, before.metadata.uid);
    sleep(ms(5_000)).await;
    assert_eq!(world.pod("qudag-node-0").unwrap().metadata.uid, uid, "and is not recreated once more");
    assert_eq!(world.file(), "0");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_container_says_why_and_becomes_ready_again() {
    let world = start(1);
    let before = world.pod("qudag-node-0").unwrap();
    world.write("1");
    sleep(ms(1)).await;
    world.fleet.restart("qudag-node-0", 137);
    let pod = world.pod("qudag-node-0").unwrap();
    assert_eq!(pod.metadata.uid, before.metadata.uid);
    assert!(!is_ready(&pod));
    let container = &pod.status.unwrap().container_statuses.unwrap()[0];
    assert_eq!(container.restart_count, 1);
    let end = container.last_state.as_ref().unwrap().terminated.as_ref().unwrap();
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("OOMKilled")));
    sleep(ms(500)).await;
    assert_eq!(world.file(), "1");
    world.fleet.restart("qudag-node-0", 132);
    sleep(ms(600)).await;
    assert!(!is_ready(&world.pod("qudag-node-0").unwrap()), "the second start takes its own time");
    sleep(ms(500)).await;
    assert!(is_ready(&world.pod("qudag-node-0").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn members_come_and_go() {
    let world = start(2);
    assert_eq!(world.fleet.add(), "qudag-node-2");
    world.fleet.remove("qudag-node-0");
    sleep(ms(10_000)).await;
    let expected = ["qudag-node-1", "qudag-node-2"].map(str::to_owned);
    assert_eq!(world.fleet.members(), expected);
    assert_eq!(world.routed(), expected.into());
    assert!(world.pod("qudag-node-0").is_none());
    assert_eq!(world.fleet.add(), "qudag-node-3", "no name comes twice");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_fleet_changes_nothing() {
    let world = start(3);
    sleep(ms(1_000)).await;
    let revision = || world.server.put(config_map("0"))["metadata"]["resourceVersion"].clone();
    let before = revision();
    let pods = world.server.objects("pods");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.server.objects("pods"), pods);
    let mut seen = before.as_str().unwrap().parse().unwrap();
    let news = world.server.changes_after(&mut seen);
    assert!(news.iter().all(|change| change.at.elapsed() > Duration::from_secs(3000)), "{}", news.len());
}
