//! The members' own metrics endpoints.

use std::{net::IpAddr, time::Duration};

use domain::{needs::Target, series::Series};
use futures::{StreamExt, future::BoxFuture};

use super::{
    Scraper,
    exposition::{self, LONGEST_LINE, Page},
};

/// Bytes of one answer that are read at most.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// A member that has not answered in full by then is not measured in this look.
const DEADLINE: Duration = Duration::from_millis(900);
/// A member that is reachable accepts a connection much sooner.
const CONNECT_DEADLINE: Duration = Duration::from_millis(500);

/// Reads metrics from pods over HTTP.
pub struct PodScraper {
    client: reqwest::Client,
}

impl PodScraper {
    /// A scraper that follows no redirect and uses no proxy: it asks the pod that it means or nobody.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new() -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Members are asked over plain HTTP, and an image made from scratch has no root certificates.
            .tls_certs_only([])
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(DEADLINE)
            .user_agent("optimization-operator")
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        Ok(Self { client })
    }

    async fn read(&self, target: &Target, path: &str, wanted: &[String]) -> Result<Vec<Series>, String> {
        let ip: IpAddr = target.ip.parse().map_err(|_| format!("{} has no valid address", target.member))?;
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        let url = format!("http://{host}:{}{path}", target.port);
        let failed = |error: reqwest::Error| format!("{} does not answer at {url}: {}", target.member, cause(&error));
        let answer = self.client.get(&url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("{} answers {} at {url}", target.member, answer.status()));
        }
        let mut reading = Reading { wanted, page: Page::default(), found: Vec::new() };
        // The part of a line that has come so far: two hundred pages at once must not fill the memory.
        let (mut rest, mut bytes) = (Vec::new(), 0);
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(failed)?;
            bytes += chunk.len();
            if bytes > MOST_BYTES {
                return Err(format!("{} answers with more than {MOST_BYTES} bytes at {url}", target.member));
            }
            rest.extend_from_slice(&chunk);
            if let Some(last) = rest.iter().rposition(|byte| *byte == b'\n') {
                let lines: Vec<u8> = rest.drain(..=last).collect();
                let lines = lines.strip_suffix(b"\n").unwrap_or(&lines);
                reading.take(lines).map_err(|what| format!("{} {what} at {url}", target.member))?;
            }
            if rest.len() > LONGEST_LINE {
                break;
            }
        }
        reading.take(&rest).map_err(|what| format!("{} {what} at {url}", target.member))?;
        Ok(reading.found)
    }
}

/// A page of which a part has come.
struct Reading<'w> {
    wanted: &'w [String],
    page: Page,
    found: Vec<Series>,
}

impl Reading<'_> {
    /// Reads some whole lines.
    fn take(&mut self, lines: &[u8]) -> Result<(), String> {
        for line in lines.split(|byte| *byte == b'\n') {
            let line = str::from_utf8(line).map_err(|_| "answers with invalid UTF-8".to_owned())?;
            let wanted = |name: &str| self.wanted.iter().any(|want| want == name);
            let series =
                self.page.line(line, &wanted).map_err(|error| format!("exposes metrics that do not parse: {error}"))?;
            self.found.extend(series.map(owned));
        }
        Ok(())
    }
}

fn owned(series: exposition::Series<'_>) -> Series {
    let labels = series.labels.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    Series { name: series.name.into_owned(), labels: labels.collect(), value: series.value, taken: None }
}

/// The innermost reason of an error: the outer ones say only in which step it happened.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

impl Scraper for PodScraper {
    fn scrape<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Series>, String>> {
        Box::pin(self.read(target, path, wanted))
    }
}

#[cfg(test)]
mod tests;
