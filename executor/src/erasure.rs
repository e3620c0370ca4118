//! Erases what is personal of somebody, or holds it: asked for by operators, receipted
//! without a name.

use countersign_core::error::Refused;
use countersign_core::person::Person;
use countersign_core::seal::{self, Leaf};
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Change, Changer};

use crate::metrics::Tally;
use crate::pipeline::Pipeline;
use crate::turned::unavailable;

/// Who wants it, and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// The operator's identity.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Pipeline {
    /// Erases everybody of these, or nobody. Answers with the receipts.
    ///
    /// # Errors
    /// `NOT_FOUND` where nothing is kept of any of them, `ERASURE_WAITS`, or when the store
    /// fails: then it has to be asked for again.
    pub async fn erase(
        &self,
        persons: &[Person],
        order: &Order,
    ) -> Result<Vec<ReceiptId>, Refused> {
        self.known(persons).await?;
        let each = persons.iter().map(|person| {
            let digest = self.store.person(person);
            let (id, leaf) = self.says(&digest, ["kept", "erased"], order);
            (id, (digest, leaf))
        });
        let (ids, persons): (Vec<_>, Vec<_>) = each.unzip();
        let tallies: Vec<_> =
            persons.iter().map(|(_, leaf)| self.metrics.tally(&leaf.receipt)).collect();
        let done = self.store.erase(persons, self.clock.now()).await;
        done.map_err(|e| unavailable(&e))??;
        tallies.into_iter().for_each(Tally::count);
        self.sealed.notify_one();
        Ok(ids)
    }

    /// Begins or ends a legal hold on the data of these. Answers with the receipts.
    ///
    /// # Errors
    /// `NOT_FOUND` where nothing is kept of any of them, or when the store fails.
    pub async fn hold(
        &self,
        persons: &[Person],
        holds: bool,
        order: &Order,
    ) -> Result<Vec<ReceiptId>, Refused> {
        self.known(persons).await?;
        let steps = if holds { ["kept", "held"] } else { ["held", "kept"] };
        let mut ids = Vec::with_capacity(persons.len());
        for person in persons {
            let digest = self.store.person(person);
            let (id, leaf) = self.says(&digest, steps, order);
            let tally = self.metrics.tally(&leaf.receipt);
            self.store.hold(digest, holds, leaf).await.map_err(|e| unavailable(&e))?;
            tally.count();
            ids.push(id);
        }
        self.sealed.notify_one();
        Ok(ids)
    }

    /// A mistyped name would be believed to be erased, or held.
    async fn known(&self, persons: &[Person]) -> Result<(), Refused> {
        for person in persons {
            let known = self.store.knows(&self.store.person(person)).await;
            if known.map_err(|e| unavailable(&e))? {
                return Ok(());
            }
        }
        let why = "nothing is kept of anybody of this name: check tenant, issuer and spelling";
        Err(Refused::new(Code::NotFound, why))
    }

    fn says(&self, digest: &str, [old, new]: [&str; 2], order: &Order) -> (ReceiptId, Leaf) {
        let id = ReceiptId::from_uuid(self.clock.fresh_id());
        let by = Changer { who: order.by.clone(), reason: String::new(), jws: String::new() };
        let change = Change {
            what: format!("person/{digest}"),
            old: old.to_owned(),
            new: new.to_owned(),
            reason: order.reason.clone(),
            by: vec![by],
            note: String::new(),
        };
        let leaf = seal::changed(change, &id, self.clock.now());
        (id, leaf)
    }
}
