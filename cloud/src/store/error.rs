//! What can go wrong with a read or a write, told apart by what the caller may conclude.
//!
//! The important line runs between *certainly not done* (try again, nothing is lost) and *maybe done* (throw
//! the copy in memory away and read what is true).

use pictor_actors::faults::{self, Injected};

/// Where an error came from; for logs, never for a person.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store function did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row, or it belongs to somebody else.
    #[error("not found")]
    NotFound,
    /// The rows are in a state that forbids it; nothing was changed.
    #[error("conflict: {0}")]
    Conflict(ConflictKind),
    /// The lease has ended or was superseded; nothing was changed.
    #[error("the lease has ended or was given to another worker")]
    StaleFence,
    /// The database could not be reached or was busy; certainly nothing was changed.
    #[error("the database is not available")]
    Unavailable(#[source] Source),
    /// The connection broke during the commit: it may have happened. Read before going on.
    #[error("the database did not say whether the change was kept")]
    Unknown(#[source] Source),
}

impl From<Injected> for StoreError {
    fn from(injected: Injected) -> Self {
        Self::Unavailable(Box::new(injected))
    }
}

/// What stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConflictKind {
    /// An account with that e-mail address exists.
    #[error("an account with that e-mail address exists")]
    EmailTaken,
    /// Another worker of the account has that name.
    #[error("a worker with that name exists")]
    NameTaken,
    /// The set-up address was used, is too old, or an account exists already.
    #[error("the set-up address is no longer good")]
    SetUpOver,
    /// The row's state does not allow the change.
    #[error("its state does not allow that")]
    State,
    /// The row was changed since the caller read it.
    #[error("it was changed meanwhile")]
    Version,
    /// A row with that key exists.
    #[error("it exists already")]
    Exists,
    /// The cursor is of another list or was made up.
    #[error("the cursor is not of this list")]
    BadCursor,
}

/// The result of a store function.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A write with a place before it and one after it at which a test may make the program fail. After it nobody
/// knows whether it was kept.
///
/// # Errors
/// Those of the write.
pub async fn between<T>(
    before: &'static str,
    write: impl Future<Output = Result<T>>,
    after: &'static str,
) -> Result<T> {
    faults::pass(before).await?;
    let done = write.await?;
    faults::pass(after).await.map_err(|injected| StoreError::Unknown(Box::new(injected)))?;
    Ok(done)
}
