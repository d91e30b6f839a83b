//! Making and checking secrets: passwords (argon2id) and random ones (stored as BLAKE3).

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandom,
    /// The hash that was stored cannot be read.
    #[error("the stored password hash cannot be read")]
    BadHash,
}

/// Argon2id of a password in PHC text form. Takes tens of milliseconds and 19 MiB: call it off the async threads.
pub fn hash_password(password: &str) -> Result<String, SecretError> {
    todo!()
}

/// Whether the password is the one that was hashed; as slow as hashing.
pub fn verify_password(password: &str, hash: &str) -> Result<bool, SecretError> {
    todo!()
}

/// A new secret of 32 random bytes as URL-safe base64 behind `prefix` (`pct_`, `wkb_`, or nothing), and what to
/// store of it.
pub fn new_secret(prefix: &str) -> Result<(String, String), SecretError> {
    todo!()
}

/// What is stored of a random secret: its BLAKE3 in hexadecimal.
#[must_use]
pub fn hash_secret(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}
