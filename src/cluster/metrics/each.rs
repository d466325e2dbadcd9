//! The members as a source: each is asked itself.

use std::{sync::Arc, time::Duration};

use domain::{
    analysis::Scrape,
    needs::{Source, Target},
};
use futures::{StreamExt, future::BoxFuture, stream};

use super::{Answer, MetricsSource, Question, Scraper};

/// Members that are asked at once.
const CONCURRENT_SCRAPES: usize = 200;
/// Share of the interval after which a look is judged without the members that have not answered.
const PATIENCE: f64 = 0.4;
/// Bounds of that time.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
const MOST_PATIENCE: Duration = Duration::from_millis(900);

/// Asks every member.
pub struct EachMember {
    scraper: Arc<dyn Scraper>,
}

impl EachMember {
    /// Asks by this scraper.
    #[must_use]
    pub fn new(scraper: Arc<dyn Scraper>) -> Self {
        Self { scraper }
    }

    async fn ask(&self, target: &Target, path: &str, wanted: &[String], patience: Duration) -> Scrape {
        let series = match tokio::time::timeout(patience, self.scraper.scrape(target, path, wanted)).await {
            Ok(Ok(series)) => Some(series),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no measurement");
                None
            }
            Err(_) => None,
        };
        Scrape { member: target.member.clone(), pod: target.pod.clone(), series }
    }
}

impl MetricsSource for EachMember {
    fn look<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        let Source::Pods { path } = question.source else { return Box::pin(std::future::ready(Answer::default())) };
        Box::pin(async move {
            let patience = question.interval.mul_f64(PATIENCE).clamp(LEAST_PATIENCE, MOST_PATIENCE);
            let asked: Vec<_> =
                question.targets.iter().map(|target| self.ask(target, path, question.wanted, patience)).collect();
            let scrapes = stream::iter(asked).buffer_unordered(CONCURRENT_SCRAPES).collect().await;
            Answer { scrapes, ..Answer::default() }
        })
    }
}
