//! What a replica sees, as the product's own decisions take it.

use std::{collections::BTreeMap, time::Duration};

use api::reason::Reason;
use domain::observation::{Breach, Measurements, Member, Observation, Pod, Report, Service};

use super::{
    model::{Model, Seen},
    object,
};

/// More than any bake and any deadline.
const LONG: Duration = Duration::from_secs(24 * 3600);

impl Model {
    /// Everything that a decision may know.
    pub fn observation(&self, seen: Seen) -> Observation {
        let names = |mask: u8| (0..self.config.members).filter(move |index| mask & 1 << index != 0).map(object::member);
        let members = (0..self.config.members).map(|index| Member {
            name: object::member(index),
            zone: String::new(),
            unfit: None,
            pod: Pod::clone(&self.pods.get(seen.pods[index])),
        });
        let service =
            Service { endpoints: names(seen.endpoints).collect(), ..Service::clone(&self.services.get(seen.service)) };
        Observation {
            now: object::now(),
            members: members.collect(),
            shards: self.maps.get(seen.map).iter().cloned().collect(),
            services: if self.config.traffic { vec![service] } else { Vec::new() },
            measurements: self.measurements(seen),
            ..Observation::default()
        }
    }

    fn measurements(&self, seen: Seen) -> Option<Measurements> {
        let (run, bake) = self.bakes.get(seen.measured.bake).as_ref().clone()?;
        let time = |long: bool| if long { LONG } else { Duration::ZERO };
        let report = |index: usize| Report {
            pod: object::member(index),
            at: object::now(),
            enabled: BTreeMap::from([("pool".to_owned(), seen.running & 1 << index != 0)]),
            revision: None,
        };
        Some(Measurements {
            run,
            bake,
            covered: time(seen.measured.covered),
            silent_for: time(seen.measured.silent),
            breach: seen.measured.breach.then(|| Breach {
                reason: Reason::LimitBreached,
                indicator: "errors".to_owned(),
                message: "errors: 5% against 0%".to_owned(),
                worst: Vec::new(),
            }),
            indicators: Vec::new(),
            reports: (0..self.config.members).map(|index| (object::member(index), report(index))).collect(),
            passing: seen.measured.passing,
        })
    }
}
