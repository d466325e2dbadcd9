//! What goes wrong with requests, and who is asked before.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{ApiServer, State};
use crate::fault::{Denial, Fault};
use crate::history::{Entry, GOES_ON, Write};
use crate::kind::{Key, Kind};
use crate::request::RequestInfo;

impl ApiServer {
    /// How long a request and its answer are on the way together: 2 ms until this is called.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Lets the watches of a user see changes this much later than others do, so that its caches are stale.
    pub fn lag(&self, user: &str, lag: Duration) {
        self.fault(user, None, &format!("watches {lag:?} late"));
        let mut state = self.state();
        state.lag.retain(|(of, _), _| of != user);
        state.lag.insert((user.to_owned(), None), lag);
        drop(state);
        self.shared.signals.all();
    }

    /// The same for watches of one kind, by its plural name: each kind comes on a way of its own. The next
    /// [`Self::lag`] ends it.
    pub fn lag_of(&self, user: &str, plural: &'static str, lag: Duration) {
        self.fault(user, None, &format!("watches of {plural} {lag:?} late"));
        self.state().lag.insert((user.to_owned(), Some(plural)), lag);
        self.shared.signals.all();
    }

    /// Adds a hook that sees every request on arrival and decides what happens to it. The first hook that wants a
    /// fault gets it.
    pub fn on_request(&self, hook: impl Fn(&RequestInfo) -> Fault + Send + Sync + 'static) {
        self.hooks().on_request.push(Arc::new(hook));
    }

    /// Adds an admission policy: it sees every write that is valid, with the object before and after it; none where it
    /// is new or gone. It must not call the server.
    pub fn on_admission(
        &self,
        hook: impl Fn(&RequestInfo, Option<&Value>, Option<&Value>) -> Option<Denial> + Send + Sync + 'static,
    ) {
        self.hooks().on_admission.push(Arc::new(hook));
    }

    /// Takes all hooks of [`Self::on_request`] away.
    pub fn stop_faults(&self) {
        self.hooks().on_request.clear();
    }

    /// Adds a hook that sees every successful write right after it, before anything else happens.
    pub fn on_write(&self, hook: impl Fn(&Write) + Send + Sync + 'static) {
        self.hooks().on_write.push(Arc::new(hook));
    }

    /// Cuts a user off, as a crash or a broken network does: what it sends from now on, and what is on the way, is
    /// never answered, and its watches fall silent.
    pub fn cut(&self, user: &str) {
        self.fault(user, None, "cut off");
        self.state().cut.insert(user.to_owned());
    }

    /// Ends [`Self::cut`]: new requests are answered and open watches go on. Requests of the meantime stay lost.
    pub fn revive(&self, user: &str) {
        self.state().cut.remove(user);
        self.shared.signals.all();
    }

    /// Stops a user, as SIGSTOP or a network that stores and forwards does: what is on the way, and what it sends from
    /// now on, waits until [`Self::release`] and is carried out then, also when nobody waits for it any more.
    pub fn hold(&self, user: &str) {
        self.fault(user, None, "held up");
        self.state().held.insert(user.to_owned());
    }

    /// Ends [`Self::hold`].
    pub fn release(&self, user: &str) {
        if self.state().held.remove(user) {
            self.fault(user, None, GOES_ON);
        }
        self.shared.signals.all();
    }

    /// Whether a user is cut off now.
    pub fn is_cut(&self, user: &str) -> bool {
        self.state().cut.contains(user)
    }

    /// Records that something goes wrong with a user's requests.
    pub(crate) fn fault(&self, user: &str, key: Option<Key>, what: &str) {
        let (user, what) = (user.to_owned(), what.to_owned());
        self.record(Entry::Fault { at: Instant::now(), user, key, what });
    }
}

impl State {
    /// How late the watches of a user are of this kind.
    pub(crate) fn lag(&self, user: &str, kind: &Kind) -> Duration {
        let lag = |kind| self.lag.get(&(user.to_owned(), kind)).copied();
        if self.lag.is_empty() { Duration::ZERO } else { lag(Some(kind.plural)).or(lag(None)).unwrap_or_default() }
    }
}
