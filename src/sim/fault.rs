//! What goes wrong with a request, and the hooks that decide it.

use std::sync::Arc;
use std::time::Duration;

use crate::history::Write;
use crate::request::RequestInfo;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// It is refused with this HTTP code and message, and not carried out.
    Refuse(u16, String),
    /// It is carried out and answered this much later, also when the client has given up by then.
    Delay(Duration),
    /// It is never carried out and never answered.
    Hang,
    /// The process that sent it dies before it is carried out: see [`crate::ApiServer::cut`].
    CrashBefore,
    /// The process that sent it dies once it is carried out: see [`crate::ApiServer::cut`].
    CrashAfter,
    /// It is carried out, but the connection breaks before the answer arrives.
    LoseResponse,
}

pub(crate) type RequestHook = Arc<dyn Fn(&RequestInfo) -> Fault + Send + Sync>;
pub(crate) type WriteHook = Arc<dyn Fn(&Write) + Send + Sync>;

/// The hooks of a server, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) on_request: Vec<RequestHook>,
    pub(crate) on_write: Vec<WriteHook>,
}

impl Hooks {
    /// The first fault that a hook wants.
    pub(crate) fn fault(&self, request: &RequestInfo) -> Fault {
        self.on_request.iter().map(|hook| hook(request)).find(|fault| *fault != Fault::None).unwrap_or(Fault::None)
    }

    pub(crate) fn written(&self, write: &Write) {
        self.on_write.iter().for_each(|hook| hook(write));
    }
}

#[cfg(test)]
mod tests;
