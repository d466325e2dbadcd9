//! What goes wrong with a request, and the hooks that decide it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::history::Write;
use crate::request::RequestInfo;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// It is refused with this HTTP code and message, and not carried out.
    Refuse(u16, String),
    /// The rules of access do not allow it.
    Forbid,
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

/// What an admission policy says of a write that it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Name of the policy.
    pub policy: String,
    /// Name of its binding.
    pub binding: String,
    /// Message of the expression that does not hold.
    pub message: String,
    /// Reason of the refusal; `Invalid` where it is empty.
    pub reason: String,
}

pub(crate) type RequestHook = Arc<dyn Fn(&RequestInfo) -> Fault + Send + Sync>;
pub(crate) type AdmissionHook =
    Arc<dyn Fn(&RequestInfo, Option<&Value>, Option<&Value>) -> Option<Denial> + Send + Sync>;
pub(crate) type WriteHook = Arc<dyn Fn(&Write) + Send + Sync>;

/// The hooks of a server, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) on_request: Vec<RequestHook>,
    pub(crate) on_admission: Vec<AdmissionHook>,
    pub(crate) on_write: Vec<WriteHook>,
}

impl Hooks {
    /// The first fault that a hook wants.
    pub(crate) fn fault(&self, request: &RequestInfo) -> Fault {
        self.on_request.iter().map(|hook| hook(request)).find(|fault| *fault != Fault::None).unwrap_or(Fault::None)
    }

    /// The first refusal of a policy of an object that was one thing and is to be another.
    pub(crate) fn denial(
        &self,
        request: &RequestInfo,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Option<Denial> {
        self.on_admission.iter().find_map(|hook| hook(request, before, after))
    }

    pub(crate) fn written(&self, write: &Write) {
        self.on_write.iter().for_each(|hook| hook(write));
    }
}

#[cfg(test)]
mod tests;
