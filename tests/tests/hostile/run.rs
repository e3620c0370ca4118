//! How long a run is, and how far it has come.

use std::time::{Duration, Instant};

/// Scenes before a world is put away with its store.
pub const SCENES: u64 = 200;
/// Between two lines that say how far a long run is.
const SILENCE: Duration = Duration::from_secs(10);

/// A whole number from the environment.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Says now and then how far a run is.
pub struct Progress {
    began: Instant,
    said: Instant,
}

impl Progress {
    pub fn new() -> Self {
        Self { began: Instant::now(), said: Instant::now() }
    }

    /// Since it began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub fn say(&mut self, what: impl FnOnce() -> String) {
        if self.said.elapsed() > SILENCE {
            self.said = Instant::now();
            eprintln!("{:6.0} s  {}", self.seconds(), what());
        }
    }
}
