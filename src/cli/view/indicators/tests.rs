use super::*;

fn measured(optimized: Option<&str>, baseline: Option<&str>) -> IndicatorStatus {
    IndicatorStatus {
        name: "latency".to_owned(),
        verdict: Verdict::Pass,
        message: String::new(),
        optimized: optimized.map(str::to_owned),
        baseline: baseline.map(str::to_owned),
    }
}

#[test]
fn both_cohorts_are_drawn_on_one_scale_and_gaps_stay_empty() {
    let mut tracks = Tracks::default();
    for (optimized, baseline) in [(Some("10ms"), Some("10ms")), (None, Some("0.01s")), (Some("20ms"), Some("16ms"))] {
        tracks.add(&[measured(optimized, baseline)]);
    }
    assert_eq!(tracks.draw("latency"), ["▁ █".to_owned(), "▁▁▅".to_owned()]);
}

#[test]
fn noise_is_not_drawn_as_a_mountain() {
    let mut tracks = Tracks::default();
    for value in ["100ms", "100.5ms", "100ms"] {
        tracks.add(&[measured(Some(value), Some("100ms"))]);
    }
    assert_eq!(tracks.draw("latency"), ["▁▁▁".to_owned(), "▁▁▁".to_owned()]);
}

#[test]
fn only_the_latest_samples_are_kept() {
    let mut tracks = Tracks::default();
    (0..100).for_each(|_| tracks.add(&[measured(Some("0%"), None)]));
    let [optimized, baseline] = tracks.draw("latency");
    assert_eq!((optimized, baseline), ("▁".repeat(LENGTH), " ".repeat(LENGTH)));
}

#[test]
fn a_breach_is_in_colour_and_its_numbers_stand_below() {
    let indicator = IndicatorStatus {
        verdict: Verdict::Breach,
        message: "55% is above max 1%".to_owned(),
        ..measured(Some("55%"), None)
    };
    let text = indicators(&[indicator], &Tracks::default(), Paint { colour: true });
    assert!(text.contains("\x1b[1;31mBREACH\x1b[0m") && text.contains("  55% is above max 1%"), "{text}");
}
