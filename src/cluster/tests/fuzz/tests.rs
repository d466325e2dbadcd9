use super::fuzz::TARGETS;

/// One after the other: the memory of an input is that of the process.
#[test]
fn no_input_breaks_a_reader() {
    for target in TARGETS {
        let tally = target.fuzz(0..200 * target.share);
        assert!(tally.broken.is_empty(), "{}: {tally}", target.name);
        assert!(tally.taken > 100, "{}: {tally}", target.name);
    }
}

#[test]
fn every_target_has_its_share() {
    assert_eq!(TARGETS.iter().map(|target| target.share).sum::<u64>(), 100);
}
