//! Places at which a test lets the process die. Without the feature `kill-points`, which
//! nothing that ships has, they are nothing. With it, `COUNTERSIGN_KILL_AT=intent:after:17`
//! ends the process at the 17th passing of that place, by SIGKILL: nothing is written,
//! answered or given back any more.

/// A step of an action, or of the store under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A reservation of key, lock and budget.
    Claim,
    /// The first commit: claim, gates and intent.
    Intent,
    /// A commit before a request is sent again.
    Resend,
    /// A request and its answer.
    Send,
    /// A commit before a wait.
    Flush,
    /// One look at what happened.
    Look,
    /// The receipt's commit.
    Seal,
    /// The answer to the caller.
    Reply,
    /// A commit of the store, whatever is in it; on PostgreSQL, one of the seat.
    Commit,
    /// A publication of the log.
    Publish,
    /// An action of an earlier process, taken up.
    Recover,
}

impl Step {
    /// Just before it.
    #[cfg(not(feature = "kill-points"))]
    pub const fn before(self) {}

    /// Just after it.
    #[cfg(not(feature = "kill-points"))]
    pub const fn after(self) {}

    /// Just before it.
    #[cfg(feature = "kill-points")]
    pub fn before(self) {
        aim::pass(self, "before");
    }

    /// Just after it.
    #[cfg(feature = "kill-points")]
    pub fn after(self) {
        aim::pass(self, "after");
    }
}

#[cfg(feature = "kill-points")]
mod aim {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Step;

    /// Where to die: the place, and at which passing.
    static AIM: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("COUNTERSIGN_KILL_AT").ok()?;
        let (place, passing) = text.rsplit_once(':')?;
        Some((place.to_owned(), passing.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    pub(super) fn pass(step: Step, when: &str) {
        let Some((place, passing)) = &*AIM else { return };
        let here = format!("{step:?}:{when}").to_ascii_lowercase();
        if here == *place && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *passing {
            let _ = kill_process(getpid(), Signal::KILL);
            // The signal is on its way: nothing goes on meanwhile.
            std::thread::park();
        }
    }
}
