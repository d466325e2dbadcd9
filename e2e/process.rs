//! Processes beside ours.

use tokio::process::Command;

/// A command for a program that ends with us, however we end.
#[must_use]
pub fn companion(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]).kill_on_drop(true);
    command
}

/// Sends a signal to a process.
///
/// # Errors
/// When it has ended.
pub fn signal(id: &str, signal: &str) -> Result<(), String> {
    let sent = std::process::Command::new("kill").args([&format!("-{signal}"), id]).status();
    match sent {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("cannot send {signal} to process {id}: {other:?}")),
    }
}
