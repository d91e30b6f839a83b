//! RFC 9457 problems: one table of codes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Address of the code's description, relative to the cloud.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here, why, and what to do.
    pub detail: String,
    /// Stable code.
    pub code: String,
    /// Reference to find it in the log.
    pub request_id: Option<String>,
    /// Try again after this; `null`: not by itself.
    pub retry_after_ms: Option<u64>,
    /// For `invalid_input`: which field and what is wrong with it.
    #[serde(default)]
    pub fields: Vec<FieldProblem>,
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Its name.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

macro_rules! problem_codes {
    ($($variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// Every code a problem can carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ProblemCode { $(#[doc = $title] $variant,)* }

        impl ProblemCode {
            /// The whole table, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable text.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            /// What it means, one sentence without a full stop.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title,)* } }
        }
    };
}

problem_codes! {
    InvalidInput "invalid_input" 422 "something in the request is not allowed";
    Malformed "malformed" 400 "the request could not be read";
    NotSignedIn "not_signed_in" 401 "sign in or send an API token";
    WrongCredentials "wrong_credentials" 401 "e-mail address or password is wrong";
    NotAllowed "not_allowed" 403 "this account or token may not do that";
    FormExpired "form_expired" 403 "the form is too old or came from elsewhere: load the page again";
    NotFound "not_found" 404 "there is no such thing, or it is not yours";
    MethodNotAllowed "method_not_allowed" 405 "this address does not take that method";
    Conflict "conflict" 409 "the state it is in does not allow that";
    NameTaken "name_taken" 409 "that name is taken";
    IdempotencyMismatch "idempotency_mismatch" 409 "this idempotency key was used for another request";
    LeaseSuperseded "lease_superseded" 409 "the lease has ended or was given to another worker";
    UploadIncomplete "upload_incomplete" 409 "parts of the upload are missing";
    MainNeeded "main_needed" 422 "the zip holds several scenes: name the one to render";
    EnrolmentUsed "enrolment_used" 409 "this configuration file was used already";
    EnrolmentExpired "enrolment_expired" 410 "this configuration file is too old";
    EnrolmentUnknown "enrolment_unknown" 404 "this configuration file is not of this cloud or was replaced";
    KeyMismatch "key_mismatch" 409 "another machine is enrolled as this worker";
    PreconditionFailed "precondition_failed" 412 "it was changed meanwhile: load it again";
    TooLarge "too_large" 413 "the body is above the limit";
    HashMismatch "hash_mismatch" 422 "the bytes are not what their hash or length says";
    RangeNotSatisfiable "range_not_satisfiable" 416 "that range is outside the file";
    RateLimited "rate_limited" 429 "too many requests";
    Internal "internal" 500 "a fault of ours";
    Unavailable "unavailable" 503 "busy or stopping: try again soon";
    DiskFull "disk_full" 507 "the cloud's disk is full";
}
