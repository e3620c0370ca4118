//! What the pages say near a message, for a model that plans: some ground to stand on, and no
//! more. A passage is no source that an argument can refer to.

use tokio::sync::OnceCell;

use super::{Found, Knowledge, cut};

/// So many at most.
const MOST: usize = 3;
/// Longest of them, in bytes.
const LONGEST: usize = 600;

/// Passages near one message. They are looked for where a model is asked, and once.
#[derive(Debug, Default)]
pub struct Passages {
    knowledge: Knowledge,
    message: String,
    found: OnceCell<Vec<Found>>,
}

impl Passages {
    /// Near this message.
    #[must_use]
    pub fn near(knowledge: &Knowledge, message: &str) -> Self {
        let (knowledge, message) = (knowledge.clone(), message.to_owned());
        Self { knowledge, message, found: OnceCell::new() }
    }

    /// Whether there is anywhere to look for them.
    #[must_use]
    pub fn are_looked_for(&self) -> bool {
        self.knowledge.0.is_some()
    }

    /// The passages, the nearest first; none where no page is near enough.
    pub async fn found(&self) -> &[Found] {
        let look = || async {
            let found = self.knowledge.near(&self.message, MOST).await;
            found.into_iter().map(|one| Found { text: cut(&one.text, LONGEST), ..one }).collect()
        };
        self.found.get_or_init(look).await
    }
}
