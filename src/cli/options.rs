//! Arguments.

use std::path::PathBuf;

use clap_complete::Shell;

/// What the exit codes mean, below the help.
const CODES: &str = "\
Exit codes:
  0  done; of lint: nothing was found
  1  it could not be done, for the reason that stands on standard error; of lint: something was found
  2  the arguments make no sense; of status NAME and plan: the rollout waits for a person
  3  of status NAME: its run was taken back; of plan: it would be taken back
  130  interrupted";

/// Shows rollouts of optimizations and steers them.
#[derive(Debug, clap::Parser)]
#[command(name = "kubectl-optimize", bin_name = "kubectl optimize", version, after_help = CODES)]
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
    /// Say what the operator would do now, or with a changed file, without doing it
    Plan(Plan),
    /// Check files without a cluster: fields, rules, and what the operator would refuse
    Lint {
        /// Files with YAML or JSON; - is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print the findings for programs
        #[arg(short, long, value_enum)]
        output: Option<Output>,
    },
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
    /// Print what could stand next, for kubectl
    #[command(name = "__complete", hide = true)]
    Complete {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// What to show, and how.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The rollout; all if left out
    pub name: Option<String>,
    /// Of all namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Until it is settled or taken back; without a terminal a line for each change
    #[arg(short, long, requires = "name", conflicts_with = "output")]
    pub watch: bool,
    /// Print the objects instead
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// Of what to say what would be done.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// The rollout
    #[arg(required_unless_present = "file")]
    pub name: Option<String>,
    /// What would be done if this file were applied; - is standard input
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    /// Namespace in which the operator runs
    #[arg(long, env = "OPTIMIZE_OPERATOR_NAMESPACE", default_value = "optimization-operator")]
    pub operator_namespace: String,
    /// Print the plan for programs
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// A format for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Json,
    Yaml,
}
