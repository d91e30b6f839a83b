//! Passwords: argon2id, hashed and checked in blocking threads, few at a time.
//!
//! One check costs about 19 MiB and tens of milliseconds on purpose; [`CHECKS_AT_ONCE`] bounds what a burst
//! of sign-ins can claim, and who waits longer than a little is told to come back.

use std::sync::OnceLock;

use tokio::sync::Semaphore;

use crate::secrets;

/// Fewest characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Most bytes of a password: enough for any sentence, too few to be a burden.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Checks that run side by side; each holds 19 MiB and one core.
pub const CHECKS_AT_ONCE: usize = 2;
/// Checks that may wait for their turn.
const CHECKS_WAITING_MAX: usize = 32;

/// Why no answer about a password was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many checks wait already.
    #[error("too many sign-ins at once")]
    Busy,
    /// The hash could not be made: a fault of ours.
    #[error("password could not be hashed")]
    Failed,
}

/// What is wrong with a new password, in words; nothing if it will do.
#[must_use]
pub fn objection(password: &str) -> Option<String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Some(format!("use at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Some(format!("use at most {PASSWORD_BYTES_MAX} bytes"));
    }
    None
}

/// Hashes in a blocking thread.
///
/// # Errors
/// [`PasswordError::Busy`] when too many wait, [`PasswordError::Failed`] when it cannot be done.
pub async fn hash(password: String) -> Result<String, PasswordError> {
    in_turn(move || secrets::hash_password(&password).map_err(|_| PasswordError::Failed)).await?
}

/// Whether `password` is the one that `stored` was made of. Without a stored hash (no such account, or it
/// signs in otherwise) a decoy is checked, so that the answer takes as long.
///
/// # Errors
/// [`PasswordError::Busy`] when too many wait, [`PasswordError::Failed`] when it cannot be done.
pub async fn verify(password: String, stored: Option<String>) -> Result<bool, PasswordError> {
    in_turn(move || match stored {
        Some(stored) => matches(&password, &stored),
        None => {
            let _ = matches(&password, decoy());
            false
        }
    })
    .await
}

fn matches(password: &str, stored: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX && secrets::verify_password(password, stored).unwrap_or(false)
}

/// A hash with today's parameters of a password that nobody has.
fn decoy() -> &'static str {
    static DECOY: OnceLock<String> = OnceLock::new();
    DECOY.get_or_init(|| {
        let password = secrets::new_secret("").map(|(secret, _)| secret).unwrap_or_default();
        secrets::hash_password(&password).unwrap_or_default()
    })
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
    static RUNNING: Semaphore = Semaphore::const_new(CHECKS_AT_ONCE);
    static WAITING: Semaphore = Semaphore::const_new(CHECKS_WAITING_MAX);
    let _place = WAITING.try_acquire().map_err(|_| PasswordError::Busy)?;
    let _turn = RUNNING.acquire().await.map_err(|_| PasswordError::Failed)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_password_matches_wrong_and_missing_do_not() {
        let stored = hash("correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert_eq!(verify("correct horse battery".into(), Some(stored.clone())).await, Ok(true));
        assert_eq!(verify("correct horse".into(), Some(stored)).await, Ok(false));
        assert_eq!(verify("anything".into(), None).await, Ok(false));
        assert_eq!(verify("anything".into(), Some("garbage".into())).await, Ok(false));
    }

    #[test]
    fn short_and_huge_passwords_are_objected_to() {
        assert!(objection("short").is_some());
        assert!(objection(&"x".repeat(1_000)).is_some());
        assert_eq!(objection("long enough to do"), None);
    }
}
