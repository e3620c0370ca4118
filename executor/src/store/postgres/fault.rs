//! Why a transaction did not hold.

use countersign_core::error::Refused;
pub(super) use countersign_shared::postgres::said;
use countersign_shared::postgres::{Passes, Unavailable, in_the_way};
use tokio_postgres::error::SqlState;

use crate::ports::StoreError;

/// What the store's own code meets; callers of the port see a [`StoreError`].
#[derive(Debug)]
pub(super) enum Fault {
    /// As the port says it.
    Store(StoreError),
    /// The server, or the way to it.
    Db(tokio_postgres::Error),
    /// No connection, or no answer on one.
    Away(Unavailable),
    /// The answer to a claim is no: nothing of it stands.
    Refused(Box<Refused>),
    /// Another executor took over from this one.
    Fenced,
    /// Somebody else was faster: what was read has changed.
    Faster,
    /// The database has less than this process knows of.
    Back(String),
}

impl Passes for Fault {
    fn passes(&self) -> bool {
        match self {
            Self::Faster => true,
            Self::Db(error) => in_the_way(error),
            Self::Away(away) => away.passes(),
            Self::Store(_) | Self::Refused(_) | Self::Fenced | Self::Back(_) => false,
        }
    }
}

impl Fault {
    /// Whether the work itself is at fault, and other work might do: its data (classes 22
    /// and 54), or what stands there already (23).
    pub(super) fn is_of_the_work(&self) -> bool {
        match self {
            Self::Store(_) | Self::Refused(_) => true,
            Self::Db(error) => error.code().is_some_and(|code| {
                ["22", "23", "54"].iter().any(|class| code.code().starts_with(class))
            }),
            Self::Away(_) | Self::Fenced | Self::Faster | Self::Back(_) => false,
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Db(error)
    }
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Self::Away(error)
    }
}

impl From<Unavailable> for StoreError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let unavailable = |why: &str| Self::Unavailable(why.to_owned());
        match fault {
            Fault::Store(error) => error,
            Fault::Away(away) => away.into(),
            Fault::Db(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Self::Conflict,
            Fault::Db(error) => Self::Unavailable(said(&error)),
            Fault::Refused(refused) => Self::Unavailable(refused.message),
            Fault::Back(_) => Self::Quarantined,
            Fault::Fenced => unavailable(
                "another executor took over from this one, which did not renew its lease in time: \
                 start it again",
            ),
            Fault::Faster => unavailable("others were faster each time: try again"),
        }
    }
}
