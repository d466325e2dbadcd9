//! The work of one request. Each optimization takes a part of it away.

use std::time::Duration;

use tokio::time::sleep;

use crate::{fault::Active, settings::Settings};

/// What looking a name up takes, opening a connection, and the upstream's answer.
const LOOK_UP: Duration = Duration::from_millis(1);
const CONNECT: Duration = Duration::from_millis(3);
const ANSWER: Duration = Duration::from_millis(2);
/// Bytes of an answer's buffer.
const BUFFER: usize = 64 * 1024;

/// Buffers of requests that are over.
#[derive(Default)]
pub struct Buffers {
    free: Vec<Vec<u8>>,
}

impl Buffers {
    /// A buffer, from the pool if there is one.
    fn take(&mut self, pooled: bool) -> Vec<u8> {
        let reused = if pooled { self.free.pop() } else { None };
        reused.unwrap_or_else(|| vec![0; BUFFER])
    }

    fn give(&mut self, buffer: Vec<u8>, pooled: bool) {
        if pooled {
            self.free.push(buffer);
        } else {
            self.free.clear();
        }
    }
}

/// Does the work of the request with this number; whether it succeeded.
pub async fn serve(number: u64, settings: &Settings, faults: &Active, buffers: &std::sync::Mutex<Buffers>) -> bool {
    let pooled = settings.memory.pool.enabled;
    let buffer = buffers.lock().ok().map(|mut buffers| buffers.take(pooled));
    let mut wait = ANSWER + faults.latency;
    if !settings.dns.cache.enabled {
        wait += LOOK_UP;
    }
    if !settings.network.pool.enabled {
        wait += CONNECT;
    }
    sleep(wait).await;
    if let (Some(buffer), Ok(mut buffers)) = (buffer, buffers.lock()) {
        buffers.give(buffer, pooled);
    }
    // Spread evenly, so that short windows see the share as well: 37 and 100 have no common divisor.
    number.wrapping_mul(37) % 100 >= u64::from(faults.errors)
}
