//! What the end of a delivery means for its frame: the same for real and for simulated workers.

use pictor_actors::protocol::upload::FrameReceipt;
use pictor_actors::units::Millis;

use super::{CallError, FrameUpload, Problem};

/// Status of a frame that nobody wants any more.
const SUPERSEDED: u16 = 409;
/// The code of a lease that was given to another.
const LEASE_SUPERSEDED: &str = "lease_superseded";
/// Status of bytes that are not what the headers say.
const NOT_AS_SAID: u16 = 422;
/// Its code.
const HASH_MISMATCH: &str = "hash_mismatch";

/// What became of a frame that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The cloud has it, from here or from another attempt: the first one wins.
    Delivered {
        /// It is the one that was sent.
        is_this: bool,
    },
    /// Nobody wants it any more.
    Superseded,
    /// The cloud is away or busy, or what it said is no answer: try again.
    Away {
        /// In words.
        why: String,
        /// What it asked to wait.
        retry_after: Option<Millis>,
    },
    /// Other bytes arrived than were announced: they were damaged on their way, or are damaged here.
    Damaged,
    /// The cloud refuses it for a reason of its own.
    Refused {
        /// HTTP status.
        status: u16,
        /// In its words.
        text: String,
    },
}

impl Verdict {
    /// Of what the cloud said to this upload.
    #[must_use]
    pub fn of(sent: Result<FrameReceipt, CallError>, upload: &FrameUpload<'_>) -> Self {
        match sent {
            // A receipt for something else is none.
            Ok(receipt) if receipt.frame != upload.frame => {
                Self::Away { why: "the cloud's receipt is for another frame".to_owned(), retry_after: None }
            }
            Ok(receipt) => {
                Self::Delivered { is_this: (receipt.hash, receipt.size) == (upload.hash, upload.size) }
            }
            Err(CallError::Away { why, retry_after }) => Self::Away { why, retry_after },
            Err(CallError::Problem(problem)) => Self::of_problem(problem),
        }
    }

    fn of_problem(problem: Problem) -> Self {
        let Problem { status, code, detail, .. } = problem;
        match (status, code.as_str()) {
            (SUPERSEDED, LEASE_SUPERSEDED | "") => Self::Superseded,
            (NOT_AS_SAID, HASH_MISMATCH) => Self::Damaged,
            (status, _) => Self::Refused { status, text: if detail.is_empty() { code } else { detail } },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pictor_actors::ids::LeaseId;
    use pictor_actors::units::{BlobHash, UnixMillis};

    use super::*;
    use crate::cloud::FrameBytes;

    fn upload() -> FrameUpload<'static> {
        let bytes = Bytes::from_static(b"frame");
        let hash = BlobHash::from_bytes([7; 32]);
        let (lease, bytes) = (LeaseId::from_u128(1), FrameBytes::Memory(bytes));
        FrameUpload { lease, fence: 1, frame: 5, hash, size: 5, render_ms: 1, media_type: "image/png", bytes }
    }

    fn receipt(frame: i32, size: u64) -> FrameReceipt {
        let (lease, hash) = (LeaseId::from_u128(1), BlobHash::from_bytes([7; 32]));
        FrameReceipt { lease, frame, hash, size, stored_at: UnixMillis(1) }
    }

    fn problem(status: u16, code: &str, detail: &str) -> CallError {
        let (code, detail) = (code.to_owned(), detail.to_owned());
        CallError::Problem(Problem { status, code, detail, retry_after_ms: None })
    }

    #[test]
    fn only_a_receipt_for_this_frame_is_one() {
        let of = |receipt| Verdict::of(Ok(receipt), &upload());
        assert_eq!(of(receipt(5, 5)), Verdict::Delivered { is_this: true });
        assert_eq!(of(receipt(5, 9)), Verdict::Delivered { is_this: false }, "the first one wins");
        assert!(matches!(of(receipt(6, 5)), Verdict::Away { .. }));
    }

    #[test]
    fn what_is_damaged_or_not_wanted_is_told_from_what_is_refused() {
        let of = |error| Verdict::of(Err(error), &upload());
        let refused = |status, text: &str| Verdict::Refused { status, text: text.to_owned() };
        assert_eq!(of(problem(409, "lease_superseded", "over")), Verdict::Superseded);
        assert_eq!(of(problem(409, "", "")), Verdict::Superseded);
        assert_eq!(of(problem(409, "conflict", "not now")), refused(409, "not now"));
        assert_eq!(of(problem(422, "hash_mismatch", "other bytes")), Verdict::Damaged);
        assert_eq!(of(problem(422, "invalid_input", "no picture")), refused(422, "no picture"));
        assert_eq!(of(problem(413, "too_large", "")), refused(413, "too_large"));
        let away = CallError::Away { why: "busy".to_owned(), retry_after: Some(Millis(7)) };
        assert_eq!(of(away), Verdict::Away { why: "busy".to_owned(), retry_after: Some(Millis(7)) });
    }
}
