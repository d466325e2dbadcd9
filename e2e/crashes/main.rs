//! Real processes on a real API server, killed and stopped in the midst of retreats. `e2e/chaos` starts what they need;
//! docs/reliability.md says what it shows.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use draw::{Draw, Strike};
use lane::Lane;
use run::Length;
use tally::Tally;

mod check;
mod draw;
mod etcd;
mod fleet;
mod lane;
mod members;
mod node;
mod replica;
mod restored;
mod run;
mod tally;

/// A point that falls after the end of a retreat is drawn again, up to so often.
const DRAWS: usize = 8;
/// Numbers of runs that were drawn again are so far apart.
const AGAIN: usize = 1000;

#[tokio::main]
async fn main() -> ExitCode {
    match all().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set; start this by `make chaos`"))
}

/// Whether every run came to its end under every law.
async fn all() -> Result<bool, String> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let number = |name: &str| {
        let text = variable(name)?;
        text.parse::<u64>().map_err(|_| format!("{name} is no number: {text}"))
    };
    let (seed, runs) = (number("SEED")?, number("RUNS")?);
    let runs = usize::try_from(runs).map_err(|_| "RUNS is too large")?;
    let (folder, lanes) = (PathBuf::from(variable("FOLDER")?), number("LANES")?);
    let (program, cluster) = (variable("OPERATOR_PROGRAM")?, variable("CLUSTER_SCRIPT")?);
    println!("seed {seed}");
    let show = Show {
        seed,
        queue: Mutex::new((1..).zip(draw::strikes(seed, runs)).collect()),
        tally: Mutex::new(Tally::new(runs)),
    };
    let began = Instant::now();
    let lanes = (1..=lanes).map(|number| {
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        let (folder, program, cluster) = (folder.join(format!("lane-{number}")), &program, &cluster);
        let show = &show;
        async move { show.on(Lane::open(number, &folder, program, cluster).await?).await }
    });
    let failures: Vec<String> = futures::future::join_all(lanes).await.into_iter().filter_map(Result::err).collect();
    let tally = show.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for failure in &failures {
        println!("a lane ended: {failure}");
    }
    println!("{tally}");
    println!("in {} min", began.elapsed().as_secs() / 60);
    println!("{}", tally.result());
    Ok(failures.is_empty() && tally.holds())
}

/// All runs, and what became of them.
struct Show {
    seed: u64,
    queue: Mutex<VecDeque<(usize, Strike)>>,
    tally: Mutex<Tally>,
}

impl Show {
    /// Takes runs until there are no more.
    async fn on(&self, mut lane: Lane) -> Result<(), String> {
        let mut lengths: BTreeMap<bool, Length> = BTreeMap::new();
        loop {
            let Some((number, strike)) = lock(&self.queue).pop_front() else { return Ok(()) };
            for again in 0..DRAWS {
                let draw = Draw::new(self.seed, number + AGAIN * again, strike);
                let length = match lengths.get(&draw.patched) {
                    Some(length) => *length,
                    None => {
                        let length = self.measure(&mut lane, &draw).await?;
                        lengths.insert(draw.patched, length);
                        length
                    }
                };
                let outcome =
                    run::run(&mut lane, &draw, Some(length)).await.map_err(|why| format!("run {number}: {why}"))?;
                if lock(&self.tally).add(number, &draw, outcome, &lane.folder) {
                    break;
                }
            }
        }
    }

    /// How long a retreat takes that nobody disturbs.
    async fn measure(&self, lane: &mut Lane, draw: &Draw) -> Result<Length, String> {
        let calm = Draw { strike: Strike::None, ..draw.clone() };
        let outcome = run::run(lane, &calm, None).await.map_err(|why| format!("an undisturbed run: {why}"))?;
        let length = Length {
            time: outcome.restored.clone().map_err(|why| format!("an undisturbed run is not restored: {why}"))?,
            writes: outcome.verdict.of_retreat.1,
        };
        lock(&self.tally).measured(draw.patched, length, outcome, &lane.folder);
        Ok(length)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
