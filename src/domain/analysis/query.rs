//! What has to be read from a member to know an indicator.

use api::indicator::Metric;

use crate::series::Selector;

/// An indicator's metric, with its series names parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Growth of one counter by growth of another.
    Ratio {
        /// What is limited.
        numerator: Selector,
        /// Everything.
        denominator: Selector,
    },
    /// A histogram's quantile, or its mean.
    Histogram {
        /// `name_bucket`.
        buckets: Selector,
        /// `name_sum`.
        sum: Selector,
        /// `name_count`.
        count: Selector,
        /// Between 0 and 1; `None` for the mean.
        quantile: Option<f64>,
    },
    /// Growth of a counter per second.
    Rate(Selector),
    /// A level.
    Gauge(Selector),
    /// Growth of a level per hour.
    Growth(Selector),
    /// Growth of a counter.
    Event(Selector),
    /// What a query returns, as a level; its series are named by [`expression_name`].
    Promql(Selector),
}

/// The name that a source gives the series which a query of the user's returns. No metric has such a name.
#[must_use]
pub fn expression_name(query: &str) -> String {
    format!("promql {query}")
}

impl Query {
    /// Parses the names of a metric.
    ///
    /// # Errors
    /// The name that is none, or the quantile outside of (0, 1).
    pub fn new(metric: &Metric) -> Result<Self, String> {
        Ok(match metric {
            Metric::Ratio(ratio) => {
                Self::Ratio { numerator: ratio.numerator.parse()?, denominator: ratio.denominator.parse()? }
            }
            Metric::Histogram(histogram) => {
                let name: Selector = histogram.name.parse()?;
                let quantile = histogram.quantile.as_deref().map(quantile).transpose()?;
                Self::Histogram {
                    buckets: name.with_suffix("_bucket"),
                    sum: name.with_suffix("_sum"),
                    count: name.with_suffix("_count"),
                    quantile,
                }
            }
            Metric::Rate(counter) => Self::Rate(counter.counter.parse()?),
            Metric::Gauge(gauge) => Self::Gauge(gauge.gauge.parse()?),
            Metric::Growth(gauge) => Self::Growth(gauge.gauge.parse()?),
            Metric::Event(counter) => Self::Event(counter.counter.parse()?),
            Metric::Promql(metric) => {
                Self::Promql(Selector { name: expression_name(&metric.query), labels: Vec::new() })
            }
        })
    }

    /// What has to be read.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Ratio { numerator, denominator } => vec![numerator, denominator],
            Self::Histogram { buckets, quantile: Some(_), .. } => vec![buckets],
            Self::Histogram { sum, count, quantile: None, .. } => vec![sum, count],
            Self::Rate(selector)
            | Self::Gauge(selector)
            | Self::Growth(selector)
            | Self::Event(selector)
            | Self::Promql(selector) => vec![selector],
        }
    }

    /// Names of all metrics that must be read.
    pub fn names(&self) -> Vec<&str> {
        if matches!(self, Self::Promql(_)) {
            return Vec::new();
        }
        self.selectors().into_iter().map(|selector| selector.name.as_str()).collect()
    }
}

fn quantile(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|quantile| *quantile > 0.0 && *quantile < 1.0)
        .ok_or_else(|| format!("quantile {text:?} lies outside of (0, 1): write for example \"0.99\""))
}

#[cfg(test)]
mod tests;
