//! L18: what is secret is not repeated.

use super::view::View;
use super::{Found, Law};
use crate::history::Entry;

/// A secret that stands where the operator can read it: nothing that it writes may have it.
pub const CANARY: &str = "correct-horse-battery-staple";

pub(super) struct Secrets;

impl Law for Secrets {
    fn law(&self) -> (&'static str, &'static str) {
        ("L18 secrets", "appear in nothing that we write")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some(write) = view.ours(entry).filter(|write| write.key.plural != "leases") else { return };
        let leaked = write.body.to_string().contains(CANARY);
        found.stake(leaked.then(|| format!("{} was written with a secret", write.key)));
    }
}
