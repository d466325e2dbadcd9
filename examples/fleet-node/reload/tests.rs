use std::{fs as blocking, os::unix::fs::symlink};

use tokio::time::timeout;

use super::*;

/// Writes a ConfigMap volume as the kubelet does: a folder beside, then the swap of `..data`.
fn project(volume: &Path, version: &str, overlay: &str) {
    let folder = volume.join(version);
    blocking::create_dir(&folder).unwrap();
    blocking::write(folder.join("node-0.toml"), overlay).unwrap();
    let swap = volume.join("..data_tmp");
    symlink(version, &swap).unwrap();
    blocking::rename(&swap, volume.join("..data")).unwrap();
    let file = volume.join("node-0.toml");
    if !file.is_symlink() {
        symlink("..data/node-0.toml", file).unwrap();
    }
}

#[tokio::test]
async fn settings_follow_a_mounted_configmap_and_survive_a_broken_one() {
    let volume = tempfile::tempdir().unwrap();
    let files = Files { base: volume.path().join("base.toml"), overlay: volume.path().join("node-0.toml") };
    let metrics = Arc::new(Metrics::new());
    let (sender, mut running) = watch::channel(Running::new(Settings::default()));
    let following = tokio::spawn(follow(files, Reload::Watch, sender, metrics.clone()));
    let long = Duration::from_secs(20);

    project(volume.path(), "..1", "network.pool.enabled = true\n");
    timeout(long, running.wait_for(|running| running.settings.network.pool.enabled)).await.unwrap().unwrap();

    project(volume.path(), "..2", "network.pool.enabled =");
    let complained = async {
        while !metrics.text().contains("config_errors_total 1") {
            tokio::time::sleep(PERIOD).await;
        }
    };
    timeout(long, complained).await.unwrap();
    assert!(running.borrow().settings.network.pool.enabled, "a broken file changes nothing");

    project(volume.path(), "..3", "network.pool.enabled = false\n");
    timeout(long, running.wait_for(|running| !running.settings.network.pool.enabled)).await.unwrap().unwrap();
    following.abort();
}

#[tokio::test]
async fn a_member_that_reads_at_start_keeps_what_it_found() {
    let volume = tempfile::tempdir().unwrap();
    let files = Files { base: volume.path().join("base.toml"), overlay: volume.path().join("node-0.toml") };
    let (sender, mut running) = watch::channel(Running::new(Settings::default()));
    project(volume.path(), "..1", "network.pool.enabled = true\n");
    let following = tokio::spawn(follow(files, Reload::Start, sender, Arc::new(Metrics::new())));
    let long = Duration::from_secs(20);
    timeout(long, running.wait_for(|running| running.settings.network.pool.enabled)).await.unwrap().unwrap();
    project(volume.path(), "..2", "network.pool.enabled = false\n");
    assert!(timeout(5 * PERIOD, running.changed()).await.is_err(), "nothing is read again");
    following.abort();
}
