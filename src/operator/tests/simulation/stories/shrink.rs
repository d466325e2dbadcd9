//! Making a story as short as it can be, so that it can be read.

use super::script::Script;

/// The shortest script found of which `holds` still holds: troubles, rollouts and replicas that it does not need are
/// left out, one by one.
pub fn shrink(script: Script, holds: impl Fn(&Script) -> bool) -> Script {
    let mut shortest = script;
    while let Some(shorter) = shorter(&shortest).into_iter().find(&holds) {
        shortest = shorter;
    }
    shortest
}

/// All scripts that have one thing less.
fn shorter(script: &Script) -> Vec<Script> {
    let mut all = Vec::new();
    let mut push = |less: &dyn Fn(&mut Script)| {
        let mut shorter = script.clone();
        less(&mut shorter);
        all.push(shorter);
    };
    // The later ones first: what comes after the deed is never needed.
    for index in (0..script.troubles.len()).rev() {
        push(&|script| drop(script.troubles.remove(index)));
    }
    for index in (1..script.rollouts.len()).rev() {
        push(&|script| drop(script.rollouts.remove(index)));
    }
    let last = script.skews.len();
    if last > 1 && !script.troubles.iter().any(|(_, trouble)| trouble.replica() == Some(last)) {
        push(&|script| script.skews.truncate(last - 1));
    }
    if script.skews.iter().any(|skew| *skew != 0) {
        push(&|script| script.skews.fill(0));
    }
    all
}
