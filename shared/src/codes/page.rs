//! The page of a code: `shared/codes/NAME.md`, read at compile time. One that lacks a part, or has
//! a word that is not known, does not build.

/// What is known of a code.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The stable name, as sent in `ErrorInfo.reason`.
    pub name: &'static str,
    /// The gRPC status it travels with.
    pub status: Status,
    /// Who can do something about it.
    pub who: Who,
    /// What a customer may be told.
    pub say: &'static str,
    /// Why it happens; the first sentence says it all in short.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Page {
    /// The first sentence of the cause.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        let end = self.cause.find(". ").map_or(self.cause.len(), |at| at + 1);
        self.cause.get(..end).unwrap_or(self.cause)
    }

    /// Whether it leaves open what happened.
    #[must_use]
    pub const fn is_doubt(&self) -> bool {
        matches!(self.status, Status::DataLoss | Status::DeadlineExceeded)
    }

    /// The parts in the order in which they stand.
    #[expect(clippy::panic, reason = "called in constants only: the build stops, naming the page")]
    pub(super) const fn read(name: &'static str, text: &'static str) -> Self {
        let (title, rest) = cut(text, "\n\nstatus: ");
        let (status, rest) = cut(rest, "\nwho: ");
        let (who, rest) = cut(rest, "\nsay: \"");
        let (say, rest) = cut(rest, "\"\n\n## Cause\n\n");
        let (cause, rest) = cut(rest, "\n\n## Remedy\n\n");
        let remedy = rest.trim_ascii();
        let titled = starts_with(title.as_bytes(), b"# ") && same(cut(title, "# ").1, name);
        let whole = titled && !say.is_empty() && !cause.is_empty() && !remedy.is_empty();
        match (Status::named(status), Who::named(who)) {
            (Some(status), Some(who)) if whole => Self { name, status, who, say, cause, remedy },
            _ => panic!("{}", name),
        }
    }
}

/// A closed list of words, as pages write them.
macro_rules! words {
    ($(#[$doc:meta])* $list:ident { $(#[$each:meta] $item:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $list {
            $(#[$each] $item,)+
        }

        impl $list {
            /// As pages write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)+
                }
            }

            const fn named(word: &str) -> Option<Self> {
                $(if same(word, $word) {
                    return Some(Self::$item);
                })+
                None
            }
        }
    };
}

words! {
    /// The gRPC status codes that ours map to.
    Status {
        /// No such thing.
        NotFound = "not_found",
        /// Never right as it stands.
        InvalidArgument = "invalid_argument",
        /// Not proved who.
        Unauthenticated = "unauthenticated",
        /// Proved who, and not allowed.
        PermissionDenied = "permission_denied",
        /// May work later as it stands.
        Unavailable = "unavailable",
        /// Not until something else changes.
        FailedPrecondition = "failed_precondition",
        /// Lost to something concurrent; start again from reading.
        Aborted = "aborted",
        /// Done before.
        AlreadyExists = "already_exists",
        /// What happened is not known.
        DataLoss = "data_loss",
        /// Not finished in time.
        DeadlineExceeded = "deadline_exceeded",
        /// Too much at once.
        ResourceExhausted = "resource_exhausted",
        /// Our own fault.
        Internal = "internal",
    }
}

words! {
    /// Who can do something about a refusal.
    Who {
        /// The person for whom it is done.
        Customer = "customer",
        /// Who runs the chat frontend that signs words and confirmations.
        Frontend = "frontend's operator",
        /// Who runs the planner and its model.
        Planner = "planner's operator",
        /// Who runs the executor: configuration, backends, what is in doubt.
        Executor = "executor's operator",
        /// A member of staff who decides on requests.
        Approver = "approver",
        /// Who writes the contracts.
        PackAuthor = "pack author",
        /// It is as it should be, or passes by itself.
        Nobody = "nobody",
    }
}

/// What stands before the first mark and after it. Without the mark, nothing stands after it.
const fn cut(text: &'static str, mark: &str) -> (&'static str, &'static str) {
    let mut rest = text.as_bytes();
    while !starts_with(rest, mark.as_bytes()) {
        match rest {
            [_, after @ ..] => rest = after,
            [] => return (text, ""),
        }
    }
    let (before, from) = text.split_at(text.len() - rest.len());
    (before, from.split_at(mark.len()).1)
}

const fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && starts_with(one.as_bytes(), other.as_bytes())
}

const fn starts_with(mut text: &[u8], mut with: &[u8]) -> bool {
    while let ([a, text_left @ ..], [b, with_left @ ..]) = (text, with) {
        if *a != *b {
            return false;
        }
        (text, with) = (text_left, with_left);
    }
    with.is_empty()
}
