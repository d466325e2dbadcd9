//! Flags and environment.

use std::net::SocketAddr;

/// Flags of the operator; each can be given by an environment variable as well.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "optimization-operator",
    version,
    about = "Switches optimizations on in stages, and off when they hurt"
)]
pub struct Options {
    /// Namespaces whose fleets the operator may touch, separated by commas
    #[arg(long, env = "NAMESPACES", value_delimiter = ',', required = true)]
    pub namespaces: Vec<String>,
    /// What a replica does that does not lead
    #[arg(long, env = "STANDBY", value_enum, ignore_case = true, default_value_t = Standby::Observe)]
    pub standby: Standby,
    /// Address of /livez, /readyz, /metrics and /plan
    #[arg(long, env = "LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// Name of this replica
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,
    /// Namespace of the Lease
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: String,
    /// Format of the log
    #[arg(long, env = "LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// What a replica does that does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Standby {
    /// Measures as the leader does, and takes back when the leader does not.
    Observe,
    /// Only waits for the lease.
    Sleep,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
