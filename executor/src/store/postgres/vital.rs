//! What the vitals ask, on a connection of the store's own: a crowd of callers is no reason to
//! halt.

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::{Postgres, history, standing};
use crate::ports::{ReceiptQuery, StoreError};
use crate::standing::Standing;
use crate::store::veiled;

impl Postgres {
    pub(super) async fn stands(&self) -> Result<Standing, StoreError> {
        Ok(self.own.ask(|db| standing::read(db).boxed()).await?)
    }

    pub(super) async fn newest_sealed(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
        let found = self.own.ask(|db| async move { history::receipts(db, &newest).await }.boxed());
        found.await?.first().map(veiled::sealed_at).transpose()
    }

    pub(super) async fn probed(&self) -> Result<Option<Timestamp>, StoreError> {
        let safe = self.own.ask(|db| {
            let check = countersign_shared::postgres::check(db);
            async move { check.await.map_err(StoreError::Unavailable) }.boxed()
        });
        safe.await?;
        Ok(self.remembered.look(&self.own, &self.instance).await?)
    }
}
