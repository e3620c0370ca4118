//! How an intent went, each time that it was claimed.

use async_trait::async_trait;

use super::StoreError;

/// The times that an intent was claimed.
#[async_trait]
pub trait Occasions: Send + Sync {
    /// Those that ended refused. Each has a key of its own, under which nothing was sent as
    /// far as this store knows.
    async fn refused(&self, intent: &str) -> Result<Vec<u32>, StoreError>;
}
