//! What the vitals ask, on a connection of the store's own: a crowd of callers is no reason to
//! halt.

use jiff::Timestamp;

use super::{Postgres, history, standing};
use crate::ports::{ReceiptQuery, StoreError};
use crate::standing::Standing;
use crate::store::veiled;

impl Postgres {
    pub(super) async fn stands(&self) -> Result<Standing, StoreError> {
        Ok(standing::read(&self.own.client().await?).await?)
    }

    pub(super) async fn newest_sealed(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
        let found = history::receipts(&self.own.client().await?, &newest).await?;
        found.first().map(veiled::sealed_at).transpose()
    }

    pub(super) async fn probed(&self) -> Result<Option<Timestamp>, StoreError> {
        let safe = countersign_shared::postgres::check(&*self.own.client().await?).await;
        safe.map_err(StoreError::Unavailable)?;
        Ok(self.remembered.look(&self.own, &self.instance).await?)
    }
}
