//! Noise as fleets have it.

use std::hash::{BuildHasher, Hasher};

/// How much of a member's mood stays from one look to the next.
const MEMORY: f64 = 0.9;
/// Standard deviation of the mood: a factor of 0.5 to 2 is common.
const SPREAD: f64 = 0.35;

/// One member's noise.
pub struct Noise {
    state: u64,
    mood: f64,
}

impl Noise {
    /// Of another member than all before.
    #[must_use]
    pub fn new() -> Self {
        Self { state: std::hash::RandomState::new().build_hasher().finish(), mood: 0.0 }
    }

    /// Between 0 and 1, uniform (splitmix64).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of mean 0 and variance 1, near enough to normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A number of events of which so many are expected.
    pub fn count(&mut self, expected: f64) -> u64 {
        (expected + expected.sqrt() * self.normal()).round().max(0.0) as u64
    }

    /// How many of so many events happen, each with this probability.
    pub fn of(&mut self, events: u64, probability: f64) -> u64 {
        (0..events).map(|_| u64::from(self.uniform() < probability)).sum()
    }

    /// The member's mood: a factor around 1 that moves slowly.
    pub fn factor(&mut self) -> f64 {
        self.mood = MEMORY * self.mood + (1.0 - MEMORY * MEMORY).sqrt() * SPREAD * self.normal();
        self.mood.exp()
    }
}

#[cfg(test)]
mod tests;
