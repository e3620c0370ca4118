//! How a service takes leave of those who call it.
//!
//! ```text
//! told to stop ──▶ /readyz red, calls are taken ──length──▶ no new connections, GOAWAY ──▶ ends
//! ```
//! Whoever balances calls looks at `/readyz`, and needs a moment to send them elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What `/readyz` says of a service that takes leave.
pub const STOPPING: &str = "it was told to stop, and ends soon";

/// Whether a service takes leave. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<AtomicBool>);

impl Drain {
    /// Whether it was told to stop.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends so long after `stop` did, and is begun meanwhile.
    pub async fn after(self, stop: impl Future<Output = ()>, length: Duration) {
        stop.await;
        self.0.store(true, Ordering::SeqCst);
        tokio::time::sleep(length).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_has_begun_before_it_ends_and_not_before_it_is_told() {
        let (drain, length) = (Drain::default(), Duration::from_secs(5));
        let told = tokio::time::Instant::now() + Duration::from_secs(1);
        let leaving = tokio::spawn(drain.clone().after(tokio::time::sleep_until(told), length));
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(!drain.has_begun());
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(drain.has_begun() && !leaving.is_finished());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(leaving.is_finished());
    }
}
