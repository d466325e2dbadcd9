//! Series, given to the members that they name.

use std::collections::HashMap;

use api::ConnectionSpec;
use domain::{
    needs::{Connection, Target},
    series::Series,
};

use super::answer::Row;

/// Series by target.
pub(super) struct Found<'a> {
    spec: &'a ConnectionSpec,
    namespace: &'a str,
    targets: HashMap<&'a str, usize>,
    pub(super) series: Vec<Vec<Series>>,
}

impl<'a> Found<'a> {
    pub(super) fn new(connection: &'a Connection, spec: &'a ConnectionSpec, targets: &'a [Target]) -> Self {
        let index = targets.iter().enumerate().map(|(index, target)| (target.name.as_str(), index)).collect();
        let series = vec![Vec::new(); targets.len()];
        Self { spec, namespace: &connection.namespace, targets: index, series }
    }

    /// A sample of a metric.
    pub(super) fn sample(&mut self, mut row: Row) {
        let in_namespace = row.labels.get(&self.spec.labels.namespace).is_some_and(|found| found == self.namespace);
        if let (Some(name), true) = (row.labels.remove("__name__"), in_namespace) {
            self.add(name, row);
        }
    }

    /// A result of a query of the user's: a namespace that it names has to be the members'.
    pub(super) fn result(&mut self, name: &str, row: Row) {
        if row.labels.get(&self.spec.labels.namespace).is_none_or(|found| found == self.namespace) {
            self.add(name.to_owned(), row);
        }
    }

    fn add(&mut self, name: String, row: Row) {
        let pod = row.labels.get(&self.spec.labels.pod);
        let Some(series) = pod.and_then(|pod| self.targets.get(pod.as_str())).and_then(|i| self.series.get_mut(*i))
        else {
            return;
        };
        let labels = row.labels.into_iter().collect();
        series.push(Series { name, labels, value: row.value, taken: Some(row.taken) });
    }
}
