//! Making and checking secrets: passwords (argon2id) and random ones (stored as BLAKE3); [`enrolment`], the
//! file that carries one to a worker.

pub mod enrolment;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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

/// Argon2id of a password in PHC text form. Takes tens of milliseconds and 19 MiB: call it off the async
/// threads.
pub fn hash_password(password: &str) -> Result<String, SecretError> {
    let mut salt = [0; 16];
    fill_random(&mut salt)?;
    let hash: PasswordHash =
        hasher().hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| SecretError::BadHash)?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed; as slow as hashing.
pub fn verify_password(password: &str, hash: &str) -> Result<bool, SecretError> {
    let hash = PasswordHash::new(hash).map_err(|_| SecretError::BadHash)?;
    Ok(hasher().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What is checked for an address nobody has: as slow as a wrong password, so that the time tells nothing.
pub fn verify_nobody(password: &str) {
    let nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    // Its answer is always no.
    drop(verify_password(password, nobody));
}

/// A new secret of 32 random bytes as URL-safe base64 behind `prefix` (`pct_`, `wkb_`, or nothing), and what
/// to store of it.
pub fn new_secret(prefix: &str) -> Result<(String, String), SecretError> {
    let mut bytes = [0; 32];
    fill_random(&mut bytes)?;
    let secret = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash_secret(&secret);
    Ok((secret, hash))
}

/// What is stored of a random secret: its BLAKE3 in hexadecimal. A fast hash is right here, since 256 random
/// bits cannot be guessed.
#[must_use]
pub fn hash_secret(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
fn hasher() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), SecretError> {
    getrandom::fill(bytes).map_err(|_| SecretError::NoRandom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password("correct horse", &hash).unwrap());
        assert!(!verify_password("correct hors", &hash).unwrap());
        assert_ne!(hash, hash_password("correct horse").unwrap());
    }

    #[test]
    fn a_damaged_hash_is_an_error_and_not_a_no() {
        assert!(matches!(verify_password("x", "$argon2id$"), Err(SecretError::BadHash)));
    }

    #[test]
    fn nobody_has_a_readable_hash() {
        let nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(!verify_password("", nobody).unwrap());
    }

    #[test]
    fn secrets_differ_and_only_their_hash_is_stored() {
        let (secret, hash) = new_secret("pct_").unwrap();
        assert!(secret.starts_with("pct_") && secret.len() == 4 + 43);
        assert_eq!(hash, hash_secret(&secret));
        assert_ne!(secret, new_secret("pct_").unwrap().0);
    }
}
