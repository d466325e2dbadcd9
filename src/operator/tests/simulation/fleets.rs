//! Two fleets in one namespace that have nothing in common.

use serde_json::json;
use sim::{Fleet, FleetSpec};

use crate::{
    patched::file,
    world::{OWN_CONFIG_MAP, OWN_FILE, World, own_config_map, patched_rollout},
};

const CORE: [&str; 3] = ["core-0", "core-1", "core-2"];

/// A fleet whose members' own ConfigMaps have names of the same template.
fn core(world: &World) -> Fleet {
    for member in CORE {
        world.server.put(own_config_map(member));
    }
    let labels = [("app", "core")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let spec = FleetSpec {
        prefix: "core".to_owned(),
        members: CORE.len(),
        service: "core".to_owned(),
        config_map: OWN_CONFIG_MAP.to_owned(),
        selector: labels.clone().into(),
        labels: labels.into(),
        ..FleetSpec::default()
    };
    Fleet::start(&world.server, spec)
}

#[tokio::test(start_paused = true)]
async fn what_one_has_settled_is_nothing_to_the_other() {
    let world = World::patched(5);
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    let _core = core(&world);
    let mut other = patched_rollout("core");
    other["spec"]["fleet"]["selector"] = json!({"matchLabels": {"app": "core"}});
    other["spec"]["fleet"]["acknowledgement"] = json!({"timer": "10s"});
    other["spec"]["traffic"] = json!(null);
    world.apply(&other);
    world.until_reason("core", "Baking").await;
    let switched = CORE.iter().filter(|member| file(&world, member) != OWN_FILE).count();
    assert_eq!(switched, 1, "its first stage has one member");
    world.check();
}
