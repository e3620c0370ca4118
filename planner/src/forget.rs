//! Follows what the executor erases: what is remembered of a person here lies under the name
//! of their key, and goes once the executor says that this key is destroyed. The planner is
//! asked nothing and told nothing by operators.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::executor::{CallError, Executor};
use crate::memory::Memory;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(20);
/// Keys that are asked for at once.
const AT_ONCE: usize = 500;

/// Looks again and again, until the process ends. Of several planners each does: what one has
/// forgotten, the next one no longer finds.
pub(crate) async fn follow(executor: Arc<dyn Executor>, memory: Memory) {
    loop {
        if let Err(error) = look(&*executor, &memory).await {
            tracing::warn!(%error, "what was erased is asked for again");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(executor: &dyn Executor, memory: &Memory) -> Result<(), CallError> {
    // What cannot be read is logged, and read again.
    let keys = memory.keys().await.unwrap_or_default();
    for some in keys.chunks(AT_ONCE) {
        let erased = executor.erased(some.to_vec()).await?;
        // Only what was asked for: nothing else is the executor's to end here.
        let gone: BTreeSet<_> = erased.into_iter().filter(|key| some.contains(key)).collect();
        if !gone.is_empty() {
            memory.forget_all_of(gone).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::conversation::fake::FakeExecutor;

    #[tokio::test]
    async fn what_the_executor_erased_is_forgotten_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        for n in 0..AT_ONCE + 2 {
            let owner = BTreeSet::from([format!("k{n}")]);
            memory.alone(&format!("c{n}")).keep(&owner, "said".to_owned()).await;
        }
        let executor = FakeExecutor::new(&[]);
        executor.shop.lock().erased = vec!["k1".to_owned(), format!("k{AT_ONCE}")];
        look(&*executor, &memory).await.unwrap();
        assert_eq!(memory.keys().await.unwrap().len(), AT_ONCE);
        assert!(memory.take("c1").await.unwrap().1.is_none());
        assert!(memory.take("c2").await.unwrap().1.is_some());
    }
}
