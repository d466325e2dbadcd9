//! What the seed of a run says.

use fastrand::Rng;

/// How often each kind of strike comes in a full show.
const SHARES: [(Strike, usize); 4] =
    [(Strike::Kill, 100), (Strike::Stop, 30), (Strike::ApiServer, 30), (Strike::Etcd, 10)];

/// What is done to somebody in the midst of a retreat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strike {
    /// Nothing: how long does it take?
    None,
    /// The leader is killed; another replica starts in its place.
    Kill,
    /// The leader is stopped until its Lease has run out, and goes on.
    Stop,
    /// The API server is killed and starts again.
    ApiServer,
    /// etcd is killed and starts again.
    Etcd,
}

impl Strike {
    /// In a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Kill => "leader killed",
            Self::Stop => "leader stopped",
            Self::ApiServer => "API server killed",
            Self::Etcd => "etcd killed",
        }
    }
}

/// A place in a retreat, from 0 to 1, drawn evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// A part of the time from the breach to the end.
    Time(f64),
    /// Right after a part of the writes.
    Write(f64),
}

/// One run.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Number of the run.
    pub number: usize,
    /// What happens.
    pub strike: Strike,
    /// When.
    pub point: Point,
    /// How many members the fleet has.
    pub members: usize,
    /// Percent of them in the last stage: half can leave traffic at once, more cannot.
    pub percent: u8,
    /// Whether each has a ConfigMap of its own.
    pub patched: bool,
    /// Seconds from rest to the breach: looks come once a second.
    pub moment: f64,
    /// Seconds until the one who was struck goes on, or has a successor; after the Lease, where it is stopped.
    pub back: f64,
}

impl Draw {
    /// The run of this number of a seed.
    #[must_use]
    pub fn new(seed: u64, number: usize, strike: Strike) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        let place = rng.f64();
        Self {
            number,
            strike,
            point: if rng.bool() { Point::Time(place) } else { Point::Write(place) },
            members: rng.usize(6..=8),
            percent: if rng.bool() { 50 } else { 80 },
            patched: rng.bool(),
            moment: 0.2 + rng.f64(),
            back: 0.2 + 3.0 * rng.f64(),
        }
    }
}

/// The strikes of so many runs in the shares of a full show, mixed.
#[must_use]
pub fn strikes(seed: u64, runs: usize) -> Vec<Strike> {
    let all: usize = SHARES.iter().map(|(_, share)| share).sum();
    // The largest remainders get what rounding down leaves; the rarer one first.
    let mut counts: Vec<(Strike, usize, usize)> =
        SHARES.iter().map(|(strike, share)| (*strike, runs * share / all, runs * share % all)).collect();
    let left = runs - counts.iter().map(|(_, count, _)| count).sum::<usize>();
    counts.sort_by_key(|(strike, _, rest)| (std::cmp::Reverse(*rest), std::cmp::Reverse(*strike)));
    for (_, count, _) in counts.iter_mut().take(left) {
        *count += 1;
    }
    counts.sort_by_key(|(strike, ..)| *strike);
    let mut strikes: Vec<Strike> =
        counts.into_iter().flat_map(|(strike, count, _)| std::iter::repeat_n(strike, count)).collect();
    Rng::with_seed(seed).shuffle(&mut strikes);
    strikes
}

#[cfg(test)]
mod tests;
