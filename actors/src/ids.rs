//! Typed identities: UUIDv7 inside, a prefix that names the kind in text (`wrk_…`, `job_…`).
//!
//! The text form is the prefix and 32 lower-case hexadecimal digits; it sorts by time of creation, and it is
//! what the database, the API, logs and pages show.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::units::UnixMillis;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 32 hexadecimal digits")]
pub struct BadId {
    /// The prefix that was expected, without its underscore.
    pub prefix: &'static str,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore in the text form.
            pub const PREFIX: &'static str = $prefix;

            /// A new id of this moment. Shells only: pure code gets its ids as arguments.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// When it was made, by the clock of whoever made it; nothing for an id that carries no time.
            #[must_use]
            pub fn made_at(&self) -> Option<UnixMillis> {
                let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
                let millis = i64::try_from(seconds).ok()?.checked_mul(1_000)?;
                Some(UnixMillis(millis.checked_add(i64::from(nanos / 1_000_000))?))
            }

            /// The id with these bits; for tests and for simulations that choose their own.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }

            /// Its bits; the lower half is random, which is what spreads ids evenly.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// One spelling only: a second text for the same id would be a second key in caches and logs.
fn parse(prefix: &'static str, text: &str) -> Result<Uuid, BadId> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .and_then(|hex| Uuid::try_parse(hex).ok())
        .ok_or(BadId { prefix })
}

typed_id!(/// A person's or organisation's login.
    AccountId, "acc");
typed_id!(/// One machine of a provider.
    WorkerId, "wrk");
typed_id!(/// What a creator submits.
    JobId, "job");
typed_id!(/// The unit handed to a worker.
    TaskId, "tsk");
typed_id!(/// One worker's right to try a task; also names the attempt that runs under it.
    LeaseId, "lse");
typed_id!(/// An upload under way.
    UploadId, "upl");
typed_id!(/// A signed-in browser.
    SessionId, "ses");
typed_id!(/// An API token (its name, not its secret).
    TokenId, "tok");
typed_id!(/// One connection of a worker, from its welcome to its end.
    LinkId, "lnk");
typed_id!(/// One process of the cloud, from its start to its end.
    ReplicaId, "rep");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_reads_back_and_sorts_by_time() {
        let first = JobId::generate();
        let second = JobId::generate();
        assert_eq!(first.to_string().parse::<JobId>(), Ok(first));
        assert!(first.to_string() < second.to_string());
    }

    #[test]
    fn an_id_knows_when_it_was_made() {
        let id: JobId = "job_019bd0e58b0070008000000000000000".parse().unwrap();
        assert_eq!(id.made_at(), Some(UnixMillis(0x019b_d0e5_8b00)));
        assert_eq!(JobId::from_u128(7).made_at(), None);
    }

    #[test]
    fn another_kind_upper_case_and_garbage_are_refused() {
        let job = JobId::from_u128(7).to_string();
        assert!(job.parse::<TaskId>().is_err());
        assert!(job.to_uppercase().parse::<JobId>().is_err());
        for bad in ["", "job", "job_", "job_12", "job_zz000000000000000000000000000000"] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }
}
