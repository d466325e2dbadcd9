//! All states that can be reached, breadth first, so that a broken law is shown by a shortest way to it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    time::{Duration, Instant},
};

use siphasher::sip::SipHasher13;

use super::{
    action::{self, Action},
    config::Config,
    end,
    laws::Broken,
    model::Model,
    state::State,
    trace,
};

/// What an exploration came to.
pub struct Explored {
    pub config: Config,
    pub states: usize,
    pub transitions: usize,
    /// Actions on the longest of the shortest ways to a state.
    pub depth: u32,
    /// Actions on the longest way to an end, once nothing goes wrong any more.
    pub longest_end: usize,
    /// States that are an end.
    pub ends: usize,
    pub took: Duration,
    pub computed: String,
    /// The first broken law, with the way to it.
    pub broken: Option<(Broken, String)>,
}

/// Fingerprints are random enough already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole fingerprints are hashed");
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// States by fingerprints of 64 bits: of ten million states, two share one with a probability of 1 in 400,000.
type Known = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// How a state was reached: from which one, by which action; none where nothing went wrong any more.
type Origin = (u32, Option<Action>);

/// Stands for no state.
const NOWHERE: u32 = u32::MAX;

/// A search that is under way.
struct Search {
    model: Model,
    known: Known,
    origins: Vec<Origin>,
    /// The state that follows each one, once nothing goes wrong any more; none for an end.
    follows: Vec<u32>,
    waiting: VecDeque<(State, u32)>,
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = SipHasher13::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Visits every state within the bounds, or stops at the first broken law.
pub fn explore(config: Config) -> Explored {
    let began = Instant::now();
    let mut model = Model::new(config);
    let initial = model.initial();
    let mut search =
        Search { model, known: Known::default(), origins: Vec::new(), follows: Vec::new(), waiting: VecDeque::new() };
    search.visit(initial, (NOWHERE, None));
    let (mut transitions, mut depth, mut ends) = (0, 0, 0);
    let (mut level, mut broken) = (0, None);
    while let Some((state, index)) = search.waiting.pop_front() {
        if index >= level {
            depth += 1;
            level = u32::try_from(search.origins.len()).unwrap();
        }
        transitions += match search.expand(&state, index) {
            Ok(transitions) => transitions,
            Err((found, last)) => {
                broken = Some((found, search.trace(index, last)));
                break;
            }
        };
        let next = end::next(&mut search.model, &state);
        if let Some(next) = next {
            search.follows[index as usize] = search.visit(next, (index, None));
            continue;
        }
        ends += 1;
        if let Some(what) = end::wrong(&search.model, &state) {
            let found = Broken { law: "L13 convergence and quiet", what };
            broken = Some((found, search.trace(index, None)));
            break;
        }
    }
    let mut longest_end = 0;
    if broken.is_none() {
        match search.longest_end() {
            Ok(longest) => longest_end = longest,
            Err(index) => {
                let what = "nothing goes wrong any more, and it never ends".to_owned();
                broken = Some((Broken { law: "L13 convergence and quiet", what }, search.circle(index)));
            }
        }
    }
    Explored {
        config,
        states: search.origins.len(),
        transitions,
        depth,
        longest_end,
        ends,
        took: began.elapsed(),
        computed: search.model.size(),
        broken,
    }
}

impl Search {
    /// The number of a state, which waits for its turn if it is new.
    fn visit(&mut self, state: State, origin: Origin) -> u32 {
        let new = u32::try_from(self.origins.len()).unwrap();
        let index = *self.known.entry(fingerprint(&state)).or_insert(new);
        if index == new {
            self.origins.push(origin);
            self.follows.push(NOWHERE);
            self.waiting.push_back((state, new));
        }
        index
    }

    /// Takes all actions in a state; how many there were, or the law that one of them broke.
    fn expand(&mut self, state: &State, index: u32) -> Result<usize, (Broken, Option<Action>)> {
        let mut transitions = 0;
        for action in action::possible(&mut self.model, state) {
            let Some(mut step) = self.model.step(state, action) else { continue };
            transitions += 1;
            if !step.broken.is_empty() {
                return Err((step.broken.remove(0), Some(action)));
            }
            self.visit(step.state, (index, Some(action)));
        }
        Ok(transitions)
    }

    /// The actions that lead to a state.
    fn way(&self, mut index: u32) -> Vec<Option<Action>> {
        let mut way = Vec::new();
        while self.origins[index as usize].0 != NOWHERE {
            let (before, action) = self.origins[index as usize];
            way.push(action);
            index = before;
        }
        way.reverse();
        way
    }

    fn trace(&mut self, index: u32, last: Option<Action>) -> String {
        let mut actions = self.way(index);
        actions.extend(last.map(Some));
        trace::tell(&mut self.model, &actions)
    }

    /// The way to a state from which it never ends, and some of what follows.
    fn circle(&mut self, index: u32) -> String {
        let mut actions = self.way(index);
        actions.extend([None; 40]);
        trace::tell(&mut self.model, &actions)
    }

    /// The longest way to an end; a state from which there is none.
    fn longest_end(&self) -> Result<usize, u32> {
        const UNKNOWN: u32 = u32::MAX;
        let mut lengths = vec![UNKNOWN; self.follows.len()];
        let mut longest = 0;
        for start in 0..u32::try_from(self.follows.len()).unwrap() {
            let mut way = Vec::new();
            let mut at = start;
            while at != NOWHERE && lengths[at as usize] == UNKNOWN {
                // A state on the way is as if it had no end, so that a circle is noticed.
                lengths[at as usize] = UNKNOWN - 1;
                way.push(at);
                at = self.follows[at as usize];
            }
            let mut length = match at {
                NOWHERE => 0,
                at if lengths[at as usize] == UNKNOWN - 1 => return Err(at),
                at => lengths[at as usize],
            };
            for at in way.into_iter().rev() {
                length += 1;
                lengths[at as usize] = length;
                longest = longest.max(length);
            }
        }
        Ok(longest as usize)
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, states, transitions, depth, longest_end, ends, took, computed, broken } = self;
        writeln!(out, "{config}")?;
        writeln!(out, "  {states} states, {transitions} transitions, depth {depth}, in {:.1} s", took.as_secs_f64())?;
        writeln!(out, "  {ends} ends, at most {longest_end} actions away; {computed}")?;
        match broken {
            None => write!(out, "  every law holds"),
            Some((broken, way)) => write!(out, "  {} is broken: {}\n{way}", broken.law, broken.what),
        }
    }
}
