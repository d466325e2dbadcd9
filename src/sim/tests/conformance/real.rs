//! Plays the behaviours on a real API server and on the fake: `make conformance`. With RECORD=1 it writes down what the
//! real one answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod differences;
mod recording;
mod session;
mod shape;
mod target;
mod topics;
mod transcript;

use std::collections::BTreeMap;
use std::process::ExitCode;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use sim::ApiServer;
use tokio::runtime::Builder;

use crate::differences::Verdict;
use crate::target::Target;
use crate::transcript::Behaviour;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("nobody installed a TLS provider before");
    let record = std::env::var("RECORD").is_ok_and(|text| text == "1");
    let chosen = std::env::var("TOPIC").ok();
    let (mut behaviours, mut equal, mut accepted) = (0, 0, Vec::new());
    for topic in topics::NAMES.iter().filter(|topic| chosen.as_deref().is_none_or(|chosen| chosen == **topic)) {
        let real = play_on_the_real_server(topic);
        if record {
            recording::write(topic, &real);
        }
        let recorded = recording::read(topic);
        let changed: BTreeMap<&String, String> = real
            .iter()
            .filter_map(|behaviour| {
                let differences = recording::differences(recorded.get(&behaviour.name)?, &behaviour.steps_text());
                (!differences.is_empty()).then_some((&behaviour.name, differences))
            })
            .collect();
        for (name, verdict) in differences::judge(&recorded, &play_on_the_fake(topic)) {
            if let Some(what) = changed.get(&name) {
                println!("{topic}: {name}\n  the real server does not answer as it was recorded to:\n{what}");
                behaviours += 1;
                continue;
            }
            match verdict {
                Verdict::Equal => (behaviours, equal) = (behaviours + 1, equal + 1),
                Verdict::Wrong(what) => {
                    println!("{topic}: {name}\n  the fake:\n{what}");
                    behaviours += 1;
                }
                Verdict::Accepted(reason) => accepted.push(format!("  {name}: {reason}")),
            }
        }
    }
    if !accepted.is_empty() {
        println!("{} differ for a reason:\n{}", accepted.len(), accepted.join("\n"));
    }
    println!("behaviours {equal}/{behaviours}");
    if equal == behaviours { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play_on_the_real_server(topic: &'static str) -> Vec<Behaviour> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let file = std::env::var("KUBECONFIG").expect("KUBECONFIG names the kubeconfig of a real API server");
        let kubeconfig = Kubeconfig::read_from(file).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        topics::play(topic, Target::Real(Client::try_from(config).unwrap())).await
    })
}

fn play_on_the_fake(topic: &'static str) -> Vec<Behaviour> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { topics::play(topic, Target::Fake(ApiServer::new())).await })
}
