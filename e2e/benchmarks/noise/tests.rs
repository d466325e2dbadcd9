use super::*;

#[test]
fn counts_are_around_what_is_expected() {
    let mut noise = Noise::new();
    let sum: u64 = (0..1000).map(|_| noise.count(200.0)).sum();
    assert!((195_000..205_000).contains(&sum), "{sum}");
}

#[test]
fn half_of_the_events_is_half_of_them() {
    let half = Noise::new().of(100_000, 0.5);
    assert!((49_000..51_000).contains(&half), "{half}");
}

#[test]
fn a_mood_moves_slowly_around_one() {
    let mut noise = Noise::new();
    let moods: Vec<f64> = (0..10_000).map(|_| noise.factor()).collect();
    let median = {
        let mut sorted = moods.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[5_000]
    };
    assert!((0.8..1.25).contains(&median), "{median}");
    let steps: f64 = moods.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>() / 10_000.0;
    assert!(steps < 0.3, "{steps}");
}
