//! What members say that they run.

use api::fleet::Acknowledgement;
use jiff::Timestamp;

use super::Scrape;
use crate::{observation::Report, series::Series};

/// What a member says of itself, as of when it said so; nothing where a source that keeps samples has none of it.
pub(super) fn read(
    spec: &Acknowledgement,
    scrape: &Scrape,
    series: &[Series],
    now: Timestamp,
    keeps_samples: bool,
) -> Option<Report> {
    let of_metric = |series: &&Series| Some(&series.name) == spec.metric.as_ref();
    let taken = series.iter().filter(of_metric).filter_map(|series| series.taken).max();
    if keeps_samples && taken.is_none() {
        return None;
    }
    // Of a series that has ended since, the last sample is still there.
    let series: Vec<&Series> = series.iter().filter(|series| series.taken == taken).collect();
    let enabled = spec.metric.iter().flat_map(|metric| {
        series
            .iter()
            .filter(move |series| series.name == *metric)
            .filter_map(|series| Some((series.label(&spec.label)?.to_owned(), series.value == 1.0)))
    });
    let revision = spec.metric.as_ref().zip(spec.revision_label.as_ref()).and_then(|(metric, label)| {
        let mut repeated = series.iter().filter(|series| series.name == *metric).filter_map(|s| s.label(label));
        repeated.next().filter(|revision| !revision.is_empty()).map(str::to_owned)
    });
    Some(Report { pod: scrape.pod.clone(), at: taken.unwrap_or(now), enabled: enabled.collect(), revision })
}
