//! The replicas of a story.

use std::time::Duration;

use jiff::SignedDuration;
use sim::Clock;

use crate::world::{Replica, World};

/// The replicas, by their numbers from 1; one that died has a successor with the same clock.
pub struct Replicas {
    places: Vec<(Clock, Option<Replica>)>,
    started: usize,
}

impl Replicas {
    /// Starts one for each of these, its wall clock ahead by so many seconds.
    pub fn start(world: &World, skews: &[i64]) -> Self {
        let mut replicas = Self { places: Vec::new(), started: 0 };
        for skew in skews {
            let clock = world.server.clock().skewed(SignedDuration::from_secs(*skew));
            replicas.places.push((clock, None));
            replicas.restart(world, replicas.places.len());
        }
        replicas
    }

    /// Name of the replica with this number, while it lives.
    pub fn name(&self, number: usize) -> Option<String> {
        Some(self.places.get(number - 1)?.1.as_ref()?.name().to_owned())
    }

    /// Its wall clock.
    pub fn clock(&self, number: usize) -> Clock {
        self.places[number - 1].0.clone()
    }

    /// Ends a replica, as `kill -9` does.
    pub fn kill(&mut self, world: &World, number: usize) {
        if let Some(replica) = self.places[number - 1].1.take() {
            world.kill(replica);
        }
    }

    /// Tells a replica to end, as SIGTERM does.
    pub fn stop(&mut self, number: usize) {
        if let Some(replica) = self.places[number - 1].1.take() {
            tokio::spawn(replica.stop());
        }
    }

    /// Starts a successor, where there is none yet.
    pub fn restart(&mut self, world: &World, number: usize) {
        let (clock, place) = &mut self.places[number - 1];
        if place.is_none() {
            self.started += 1;
            *place = Some(world.start_by(&format!("replica-{}", self.started), clock.clone()));
        }
    }

    /// Whether nobody has ended by itself.
    pub fn are_alive(&self) -> bool {
        self.places.iter().filter_map(|(_, replica)| replica.as_ref()).all(Replica::is_alive)
    }

    /// Every replica is alive and hears everybody.
    pub fn revive(&mut self, world: &World) {
        for number in 1..=self.places.len() {
            if let Some(name) = self.name(number).filter(|name| !world.server.is_cut(name)) {
                world.server.release(&name);
                world.server.lag(&name, Duration::ZERO);
            } else {
                self.kill(world, number);
                self.restart(world, number);
            }
        }
    }
}
