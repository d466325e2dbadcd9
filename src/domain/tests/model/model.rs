//! What replicas see, decide and measure: the product's own `decide`, `decide_standby` and `needs`, each asked once for
//! everything that can be seen.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use api::OptimizationRollout;
use domain::{
    claim::Claim,
    decide::{decide, decide_standby},
    needs::needs,
    observation::{Pod, Service, Shard},
};
use jiff::Timestamp;

use super::{
    config::{Config, MEMBERS},
    intern::{Id, Interned, Memo},
    object,
    state::{Age, Lease, MAP, Measured, Pods, ROLLOUT, Replica, SERVICE, State, Versions},
    write::Writes,
};

/// The contents of all states, and what was computed of them.
pub struct Model {
    pub config: Config,
    pub rollouts: Interned<OptimizationRollout>,
    pub maps: Interned<Option<Shard>>,
    pub services: Interned<Service>,
    pub pods: Interned<Pod>,
    pub plans: Interned<Writes>,
    pub applied: Memo<(Id, u8, Id), Id>,
    pub bakes: Interned<Option<(String, Timestamp)>>,
    decisions: Memo<Seen, Id>,
    samplings: Memo<Seen, (Id, bool)>,
    chances: HashMap<Sight, Rc<Chances>>,
}

/// Everything that a replica might see, through caches that are behind or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Sight {
    rollout: Versions,
    map: Versions,
    service: Versions,
    pods: Pods,
    endpoints: u8,
    running: u8,
    measured: Measured,
    leads: bool,
}

/// What a replica might do, each with the first lags that lead to it.
#[derive(Default)]
pub struct Chances {
    /// Passes that write something.
    pub decisions: Vec<Lags>,
    /// Looks that count for different bakes, or differently.
    pub looks: Vec<Lags>,
}

/// Everything that a decision depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    pub rollout: Id,
    pub map: Id,
    pub service: Id,
    pub pods: [Id; MEMBERS],
    pub endpoints: u8,
    pub running: u8,
    pub measured: Measured,
    pub leads: bool,
}

/// How many versions a replica's caches are behind: of the rollout, the ConfigMap, the Service and the pods.
pub type Lags = [u8; 4];

impl Model {
    pub fn new(config: Config) -> Self {
        let mut bakes = Interned::default();
        bakes.id(None);
        Self {
            config,
            rollouts: Interned::default(),
            maps: Interned::default(),
            services: Interned::default(),
            pods: Interned::default(),
            plans: Interned::default(),
            applied: Memo::default(),
            bakes,
            decisions: Memo::default(),
            samplings: Memo::default(),
            chances: HashMap::new(),
        }
    }

    /// A rollout that was applied a moment ago, and a fleet that runs the baseline.
    pub fn initial(&mut self) -> State {
        let mut pods = [0; MEMBERS];
        for (index, pod) in pods.iter_mut().enumerate().take(self.config.members) {
            *pod = self.pods.id(object::pod(index));
        }
        let everybody = (1 << self.config.members) - 1;
        State {
            rollout: Versions::new(self.rollouts.id(object::rollout(&self.config))),
            map: Versions::new(self.maps.id(None)),
            service: Versions::new(self.services.id(object::service())),
            pods: Pods::new(pods),
            endpoints: if self.config.traffic { everybody } else { 0 },
            running: 0,
            harmful: false,
            lease: Lease { holder: None, age: Age::Expired },
            replicas: [Replica::default(); 2],
            faults: self.config.faults,
            lapses: self.config.lapses,
            people: (1 << self.config.people.len()) - 1,
            allowed: 0,
            returned: 0,
        }
    }

    /// What a replica sees through caches that are so far behind, and the objects that have changed since; `None` where
    /// there were not so many versions.
    pub fn seen(&self, state: &State, replica: usize, lags: Lags, leads: bool) -> Option<(Seen, u8)> {
        let [rollout, map, service, pods] = lags.map(usize::from);
        let (seen_pods, mut stale) = state.pods.seen(pods)?;
        let measured = state.replicas[replica].measured;
        let seen = Seen {
            rollout: state.rollout.seen(rollout)?,
            map: state.map.seen(map)?,
            service: state.service.seen(service)?,
            pods: seen_pods,
            endpoints: state.endpoints,
            running: if measured.bake == 0 { 0 } else { state.running },
            measured,
            leads,
        };
        for (lag, bit) in [(rollout, ROLLOUT), (map, MAP), (service, SERVICE)] {
            stale |= if lag > 0 { bit } else { 0 };
        }
        Some((seen, stale))
    }

    /// What a replica might do in a state.
    pub fn chances(&mut self, state: &State, replica: usize) -> Rc<Chances> {
        let measured = state.replicas[replica].measured;
        let leads = self.leads(state, replica);
        let sight = Sight {
            rollout: state.rollout,
            map: state.map,
            service: state.service,
            pods: state.pods,
            endpoints: state.endpoints,
            running: if measured.bake == 0 { 0 } else { state.running },
            measured,
            leads,
        };
        if let Some(known) = self.chances.get(&sight) {
            return known.clone();
        }
        let mut chances = Chances::default();
        let (mut decisions, mut looks) = (HashSet::new(), HashSet::new());
        for lags in self.lags() {
            let Some((seen, stale)) = self.seen(state, replica, lags, leads) else { continue };
            let decided =
                if leads { self.decided_leading(state, seen, stale) } else { self.decided_standby(state, seen, stale) };
            if decided.is_some_and(|decided| decisions.insert(decided)) {
                chances.decisions.push(lags);
            }
            if looks.insert(self.sampling(seen)) {
                chances.looks.push(lags);
            }
        }
        let chances = Rc::new(chances);
        self.chances.insert(sight, chances.clone());
        chances
    }

    /// All lags up to the bound, the smallest first.
    fn lags(&self) -> Vec<Lags> {
        let most = u8::try_from(self.config.lag).unwrap();
        let services = if self.config.traffic { most } else { 0 };
        let mut all = Vec::new();
        for rollout in 0..=most {
            for map in 0..=most {
                for service in 0..=services {
                    all.extend((0..=most).map(|pods| [rollout, map, service, pods]));
                }
            }
        }
        all.sort_by_key(|lags| lags.iter().sum::<u8>());
        all
    }

    /// What a pass of a leader would write, and the objects that have changed since it saw them; `None` if nothing. What
    /// a late watch could get wrong it asks of the API server.
    pub fn decided_leading(&mut self, state: &State, seen: Seen, stale: u8) -> Option<(Id, u8)> {
        let plan = self.decided(seen)?;
        let (map, service, pods) = (state.map.now, state.service.now, state.pods.now);
        match self.plans.get(plan).claims {
            None => Some((plan, stale)),
            Some(Claim::Released) => Some((self.decided(Seen { map, service, pods, ..seen })?, stale & ROLLOUT)),
            Some(_) => Some((self.decided(Seen { map, ..seen })?, stale & !MAP)),
        }
    }

    /// What a pass would write; `None` if nothing.
    fn decided(&mut self, seen: Seen) -> Option<Id> {
        let plan = match self.decisions.get(&seen) {
            Some(plan) => plan,
            None => {
                let plan = self.decide(seen);
                let plan = self.plans.id(plan);
                self.decisions.put(seen, plan)
            }
        };
        (!self.plans.get(plan).writes.is_empty()).then_some(plan)
    }

    fn decide(&self, seen: Seen) -> Writes {
        let rollout = self.rollouts.get(seen.rollout);
        if object::is_gone(&rollout) {
            return Writes::none();
        }
        let observation = self.observation(seen);
        let mutation = self.config.mutation;
        if seen.leads {
            let plan = decide(&rollout, &observation);
            return Writes::of_leader(&rollout, &plan, mutation);
        }
        match decide_standby(&rollout, &observation) {
            Some((mark, withdraw)) => Writes::of_standby(&mark, &withdraw, mutation),
            None => Writes::none(),
        }
    }

    /// The same for a standby: what it sees has to be a breach, and the newest rollout, for which it asks, not marked yet.
    pub fn decided_standby(&mut self, state: &State, seen: Seen, stale: u8) -> Option<(Id, u8)> {
        self.decided(seen)?;
        let newest = self.rollouts.get(state.rollout.now);
        if object::is_gone(&newest) {
            return None;
        }
        let run = newest.status.as_ref().and_then(|status| status.run.as_ref()).map(|run| run.id.as_str());
        if object::mark_of(&newest) == run {
            return None;
        }
        Some((self.decided(Seen { rollout: state.rollout.now, ..seen })?, stale & !ROLLOUT))
    }

    /// The bake that looks would count for, and whether they would; zero when nothing is looked at.
    pub fn sampling(&mut self, seen: Seen) -> (Id, bool) {
        if let Some(known) = self.samplings.get(&seen) {
            return known;
        }
        let rollout = self.rollouts.get(seen.rollout);
        let sampling = if object::is_gone(&rollout) { None } else { needs(&rollout, &self.observation(seen)) };
        let counting = sampling.as_ref().is_some_and(|sampling| sampling.counting);
        let bake = self.bakes.id(sampling.map(|sampling| (sampling.run, sampling.bake)));
        self.samplings.put(seen, (bake, counting))
    }

    /// Whether two bakes are of the same run.
    pub fn same_run(&self, one: Id, other: Id) -> bool {
        let run = |bake| self.bakes.get(bake).as_ref().clone().map(|(run, _)| run);
        run(one) == run(other)
    }

    /// How much was computed, for people.
    pub fn size(&self) -> String {
        format!(
            "{} decisions of the operator on {} rollouts, {} ConfigMaps, {} pods",
            self.decisions.len(),
            self.rollouts.len(),
            self.maps.len(),
            self.pods.len()
        )
    }
}
