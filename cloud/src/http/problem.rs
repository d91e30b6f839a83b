//! The one error of the HTTP side: a code of the problem table, words for who asked, and the cause for the
//! log.
//!
//! Handlers return it; `layers::answers` turns it into a problem document or, for a browser, a page, and adds
//! the request's id. Nothing of a cause ever reaches a client.

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use pictor_actors::units::Millis;
use pictor_cloud_api::problem::{FieldProblem, Problem, ProblemCode};

use crate::agents::Busy;
use crate::blobs::BlobError;
use crate::http::guards::passwords::PasswordError;
use crate::secrets::enrolment::ConfigurationError;
use crate::store::{ConflictKind, StoreError};

/// What a handler answers with when it cannot do what was asked.
pub type Answer<T> = Result<T, Error>;

/// Wait before asking again when the database or a queue is busy.
const BUSY_RETRY: Millis = Millis::from_secs(2);

/// Room is not made in seconds.
const DISK_FULL_RETRY: Millis = Millis::from_secs(60);

/// A problem on its way to the client.
#[derive(Debug, Clone)]
pub struct Error {
    code: ProblemCode,
    detail: String,
    retry_after: Option<Millis>,
    fields: Vec<FieldProblem>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A problem of this code; `detail` says what happened, why and what to do.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, fields: Vec::new(), source: None }
    }

    /// Nothing there, or not of this account: both read the same.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no such {what}, or it is not yours"))
    }

    /// One field of the request is wrong.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = Self::new(ProblemCode::InvalidInput, format!("{field}: {message}"));
        error.fields.push(FieldProblem { field: field.into(), message });
        error
    }

    /// Several fields are wrong; `fields` is not empty.
    #[must_use]
    pub fn fields(fields: Vec<FieldProblem>) -> Self {
        let detail =
            fields.iter().map(|f| format!("{}: {}", f.field, f.message)).collect::<Vec<_>>().join("; ");
        let mut error = Self::new(ProblemCode::InvalidInput, detail);
        error.fields = fields;
        error
    }

    /// A fault of ours; the cause goes to the log only.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let detail = "something went wrong on our side; nothing you sent is to blame";
        Self { source: Some(Arc::from(source.into())), ..Self::new(ProblemCode::Internal, detail) }
    }

    /// Busy or stopping: certainly not done, try again soon.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Unavailable, detail).retry_after(BUSY_RETRY)
    }

    /// The same problem with a time to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Millis) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same problem with its cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    /// Its words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The wrong fields, for showing beside a form's inputs.
    #[must_use]
    pub fn wrong_fields(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// The chain of causes, for the log only; empty without one.
    #[must_use]
    pub fn causes(&self) -> String {
        let mut words = Vec::new();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push(error.to_string());
            cause = error.source();
        }
        words.join(": ")
    }

    /// As a document.
    #[must_use]
    pub fn problem(&self, request_id: Option<String>) -> Problem {
        Problem {
            kind: format!("/api/docs/problems#{}", self.code.code()),
            title: self.code.title().into(),
            status: self.code.status(),
            detail: self.detail.clone(),
            code: self.code.code().into(),
            request_id,
            retry_after_ms: self.retry_after.map(|wait| wait.0),
            fields: self.fields.clone(),
        }
    }

    /// As an answer in JSON.
    #[must_use]
    pub fn respond(&self, request_id: Option<String>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if let Some(wait) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, wait.0.div_ceil(1000).to_string()));
        }
        if self.code == ProblemCode::NotSignedIn {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        response.body(serde_json::to_string(&self.problem(request_id)).unwrap_or_default())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.code(), self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(None)
    }
}

impl From<PasswordError> for Error {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => {
                Self::unavailable("too many people sign in at this moment: try again soon")
            }
            PasswordError::Failed => Self::internal(error),
        }
    }
}

impl From<Busy> for Error {
    fn from(busy: Busy) -> Self {
        Self::unavailable("the farm is busy: try again soon").caused_by(busy)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found("thing"),
            StoreError::Conflict(kind) => conflict(kind),
            StoreError::StaleFence => {
                let detail = "the lease has ended or was given to another worker: drop the frame";
                Self::new(ProblemCode::LeaseSuperseded, detail)
            }
            StoreError::Unavailable(source) => {
                Self::unavailable("the database is busy: nothing was changed, try again soon")
                    .caused_by(source)
            }
            StoreError::Unknown(source) => {
                let detail = "the database did not say whether it was done: look, then try again";
                Self::unavailable(detail).caused_by(source)
            }
        }
    }
}

fn conflict(kind: ConflictKind) -> Error {
    match kind {
        ConflictKind::EmailTaken => {
            Error::field("email", "an account with that e-mail address exists: sign in instead")
        }
        ConflictKind::NameTaken => {
            Error::new(ProblemCode::NameTaken, "a worker of yours has that name: choose another")
        }
        ConflictKind::SetUpOver => {
            let detail = "the set-up address was used or is too old, or an account exists: sign in";
            Error::new(ProblemCode::Conflict, detail)
        }
        ConflictKind::State => {
            Error::new(ProblemCode::Conflict, "the state it is in does not allow that: load it again")
        }
        ConflictKind::Version => {
            Error::new(ProblemCode::PreconditionFailed, "it was changed meanwhile: load it again")
        }
        ConflictKind::Exists => Error::new(ProblemCode::Conflict, "it exists already"),
        ConflictKind::BadCursor => Error::field("cursor", "not a cursor of this list: begin without one"),
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NotFound => Self::not_found("file"),
            BlobError::TooLarge { limit } => {
                Self::new(ProblemCode::TooLarge, format!("more than the {limit} bytes that are allowed"))
            }
            BlobError::HashMismatch { .. } => {
                let detail = "the bytes that came have another hash than announced: send them again";
                Self::new(ProblemCode::HashMismatch, detail)
            }
            BlobError::Incomplete { found, wanted } => {
                let detail = format!("{found} bytes came instead of {wanted}: send them again");
                Self::new(ProblemCode::HashMismatch, detail)
            }
            BlobError::BadRange { size } => {
                let detail = format!("the file has {size} bytes: ask for a range within it");
                Self::new(ProblemCode::RangeNotSatisfiable, detail)
            }
            BlobError::DiskFull => {
                let detail = "the cloud's disk is full: its operator has to make room";
                Self::new(ProblemCode::DiskFull, detail).retry_after(DISK_FULL_RETRY)
            }
            BlobError::Body(source) => {
                let detail = "the bytes stopped coming: send them again";
                Self::new(ProblemCode::Malformed, detail).caused_by(source)
            }
            BlobError::Away(source) => {
                Self::unavailable("the storage of files does not answer: nothing was changed, try again soon")
                    .caused_by(source)
            }
            BlobError::Io(source) => Self::internal(source),
        }
    }
}

impl From<ConfigurationError> for Error {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Store(error) => error.into(),
            ConfigurationError::Secret(_) | ConfigurationError::Format(_) => Self::internal(error),
        }
    }
}
