//! Showing rollouts.

use std::{
    io::IsTerminal,
    process::ExitCode,
    time::{Duration, Instant},
};

use api::OptimizationRollout;
use cluster::observe::snapshot;
use domain::preview::{self, MemberStanding};
use jiff::Timestamp;
use kube::{ResourceExt, api::ListParams};
use tokio::time::sleep;

use crate::{
    connection::Cluster,
    options::Status,
    output, screen,
    screen::Screen,
    view::{self, Frame, State, indicators::Tracks, paint::Paint},
};

/// How often a watched rollout is drawn.
const PERIOD: Duration = Duration::from_millis(500);
/// How often a watched rollout's members are read, at most and at least.
const MEMBERS_PERIOD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// Time between two samples of the indicators' lines.
const SAMPLE_PERIOD: Duration = Duration::from_secs(2);
const INTERRUPTED: u8 = 130;

/// Shows what is asked for.
pub async fn run(cluster: &Cluster, arguments: &Status) -> Result<ExitCode, String> {
    let Some(name) = &arguments.name else { return list(cluster, arguments).await };
    let rollout = cluster.rollout(name).await?;
    if let Some(format) = arguments.output {
        output::print(format, &rollout)?;
        return Ok(code(&rollout));
    }
    let mut watch = Watch::new(rollout);
    if !arguments.watch {
        watch.look_at_members(cluster).await;
        print!("{}", watch.picture(screen::size().0, Paint::of_terminal()));
        return Ok(code(&watch.rollout));
    }
    tokio::select! {
        ended = follow(cluster, name, &mut watch) => ended?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(INTERRUPTED)),
    }
    if std::io::stdout().is_terminal() {
        print!("{}", watch.picture(screen::size().0, Paint::of_terminal()));
    }
    Ok(code(&watch.rollout))
}

/// Draws, or prints changes, until nothing happens any more without a person.
async fn follow(cluster: &Cluster, name: &str, watch: &mut Watch) -> Result<(), String> {
    let mut screen = std::io::stdout().is_terminal().then(Screen::open);
    let mut printed = String::new();
    let mut trouble = None;
    loop {
        watch.sample();
        match &mut screen {
            Some(screen) => {
                watch.look_at_members(cluster).await;
                let mut text = watch.picture(screen::size().0, Paint::of_terminal());
                if let Some(trouble) = &trouble {
                    text = format!("{text}\nThis is old: {trouble}\n");
                }
                screen.draw(&text);
            }
            None => {
                let line = line(&watch.rollout);
                if line != printed {
                    let time = Timestamp::now().strftime("%H:%M:%S");
                    println!("{time}  {line}  {}", view::why(&watch.rollout));
                    printed = line;
                }
            }
        }
        if view::state(&watch.rollout).is_end() {
            return Ok(());
        }
        sleep(PERIOD).await;
        trouble = match cluster.find(name).await {
            Ok(Some(rollout)) => {
                watch.rollout = rollout;
                None
            }
            Ok(None) => return Err(format!("rollout {name} was deleted")),
            Err(error) => Some(cluster.why(&error)),
        };
    }
}

/// What a rollout's line for programs changes with.
fn line(rollout: &OptimizationRollout) -> String {
    let summary = rollout.status.as_ref().and_then(|status| status.summary.clone()).unwrap_or_default();
    format!("{}  {}  {}  {}", summary.stage, summary.members, summary.traffic, summary.reason)
}

/// What is remembered between two pictures.
struct Watch {
    rollout: OptimizationRollout,
    members: Option<Vec<MemberStanding>>,
    /// When the members were read last, and of which version of the rollout.
    looked: Option<(Instant, Option<String>)>,
    /// The members may not be read.
    refused: bool,
    tracks: Tracks,
    sampled: Option<Instant>,
}

impl Watch {
    fn new(rollout: OptimizationRollout) -> Self {
        Self { rollout, members: None, looked: None, refused: false, tracks: Tracks::default(), sampled: None }
    }

    /// Reads the members again where that is due. Who may not read them sees their numbers.
    async fn look_at_members(&mut self, cluster: &Cluster) {
        let version = self.rollout.resource_version();
        let due = self.looked.as_ref().is_none_or(|(at, seen)| {
            let (least, most) = MEMBERS_PERIOD;
            at.elapsed() >= most || (at.elapsed() >= least && *seen != version)
        });
        if self.refused || !due {
            return;
        }
        match snapshot::take(&cluster.client(), &cluster.namespace).await {
            Ok(seen) => {
                let observation = seen.world.observe(&seen.namespace, &self.rollout, Timestamp::now(), None, false);
                self.members = Some(preview::members(&self.rollout, &observation));
            }
            Err(kube::Error::Api(status)) if status.code == 403 => self.refused = true,
            // The numbers in the status are newer than old cells.
            Err(_) => self.members = None,
        }
        self.looked = Some((Instant::now(), version));
    }

    fn sample(&mut self) {
        if self.sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE_PERIOD) {
            self.sampled = Some(Instant::now());
            if let Some(status) = &self.rollout.status {
                self.tracks.add(&status.indicators);
            }
        }
    }

    fn picture(&self, width: usize, paint: Paint) -> String {
        let members = self.members.as_deref();
        view::rollout(&Frame {
            rollout: &self.rollout,
            members,
            tracks: &self.tracks,
            now: Timestamp::now(),
            width,
            paint,
        })
    }
}

async fn list(cluster: &Cluster, arguments: &Status) -> Result<ExitCode, String> {
    let api = if arguments.all_namespaces { cluster.all_rollouts() } else { cluster.rollouts() };
    let listed = api.list(&ListParams::default()).await;
    let mut rollouts = listed.map_err(|error| format!("cannot list rollouts: {}", cluster.why(&error)))?.items;
    rollouts.sort_by_key(|rollout| (rollout.namespace(), rollout.name_any()));
    match arguments.output {
        Some(format) => output::print(format, &rollouts)?,
        None if rollouts.is_empty() && arguments.all_namespaces => println!("No rollouts."),
        None if rollouts.is_empty() => println!("No rollouts in namespace {}.", cluster.namespace),
        None => print!("{}", view::list(&rollouts)),
    }
    Ok(ExitCode::SUCCESS)
}

fn code(rollout: &OptimizationRollout) -> ExitCode {
    match view::state(rollout) {
        State::Running | State::Settled => ExitCode::SUCCESS,
        State::Stalled => ExitCode::from(2),
        State::Aborted { .. } => ExitCode::from(3),
    }
}
