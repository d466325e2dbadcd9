//! Arguments.

use std::path::PathBuf;

use clap_complete::Shell;

/// Shows rollouts of optimizations and steers them.
#[derive(Debug, clap::Parser)]
#[command(name = "kubectl-optimize", bin_name = "kubectl optimize", version)]
pub struct Options {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, and where in it.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// Namespace; that of the context if left out
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Path of the kubeconfig
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show one rollout, or all
    Status(Status),
    /// Hold: nothing advances; what hurts is still taken back
    Pause { name: String },
    /// Go on after a pause
    Resume { name: String },
    /// Take the optimizations back now
    Abort {
        name: String,
        /// Why, for the history and the event
        #[arg(long)]
        reason: String,
    },
    /// Start the next attempt after an abort
    Retry { name: String },
    /// Skip the bakes up to and with a stage; its gates stay
    Promote {
        name: String,
        /// The stage; the current one if left out
        #[arg(long)]
        through: Option<String>,
    },
    /// Take traffic and settings back without any operator: the emergency brake
    Kill {
        /// The rollout; all of the namespace that have not settled if left out
        name: Option<String>,
        /// Why, for the mark on every object
        #[arg(long)]
        reason: String,
    },
    /// Print the completion script of a shell
    Completion { shell: Shell },
}

/// What to show, and how.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The rollout; all if left out
    pub name: Option<String>,
    /// Of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Until it is settled or taken back
    #[arg(short, long, requires = "name", conflicts_with = "output")]
    pub watch: bool,
    /// Print the objects instead
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// A format for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Json,
    Yaml,
}
