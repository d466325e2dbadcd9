//! Who is woken by what: a watch by changes of its kind alone, since the Lease changes every second and nobody watches it.

use std::collections::BTreeMap;

use tokio::sync::watch::{Receiver, Sender};

use crate::kind::Kind;

/// Wakes watches and the simulated cluster.
pub(crate) struct Signals {
    any: Sender<()>,
    kinds: BTreeMap<&'static str, Sender<()>>,
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self { any: Sender::new(()), kinds: Kind::plurals().map(|plural| (plural, Sender::new(()))).collect() }
    }

    /// Changes of everything.
    pub(crate) fn of_all(&self) -> Receiver<()> {
        self.any.subscribe()
    }

    /// Changes of one kind, and troubles that concern everybody.
    pub(crate) fn of(&self, kind: &Kind) -> Receiver<()> {
        self.kinds.get(kind.plural).unwrap_or(&self.any).subscribe()
    }

    /// Objects of these kinds have changed.
    pub(crate) fn changed<'a>(&self, plurals: impl IntoIterator<Item = &'a str>) {
        plurals.into_iter().filter_map(|plural| self.kinds.get(plural)).for_each(wake);
        wake(&self.any);
    }

    /// Something has happened to everybody.
    pub(crate) fn all(&self) {
        self.kinds.values().chain([&self.any]).for_each(wake);
    }
}

fn wake(signal: &Sender<()>) {
    signal.send_replace(());
}
