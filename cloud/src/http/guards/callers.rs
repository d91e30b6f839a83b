//! The callers a guard let through, as extractors for handlers.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use pictor_actors::ids::{AccountId, SessionId, TokenId};

use super::need::Scope;
use crate::http::problem::Error;
use crate::store::{AccountRow, KnownWorker};

/// A person (or a person's program) that the guard let through.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub account: AccountRow,
    /// How it showed who it is.
    pub via: Via,
}

/// How an account showed who it is.
#[derive(Debug, Clone)]
pub enum Via {
    /// A browser with this session.
    Session {
        /// The session.
        id: SessionId,
        /// What its forms must carry.
        form_token: String,
    },
    /// A program with an API token.
    Token {
        /// The token.
        id: TokenId,
        /// What it may do.
        scopes: Vec<Scope>,
    },
}

impl SignedIn {
    /// The account's id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.account.id
    }

    /// The token that forms of this session must carry; empty for API tokens, which need none.
    #[must_use]
    pub fn form_token(&self) -> &str {
        match &self.via {
            Via::Session { form_token, .. } => form_token,
            Via::Token { .. } => "",
        }
    }

    /// The session that asks, if it is one.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match &self.via {
            Via::Session { id, .. } => Some(*id),
            Via::Token { .. } => None,
        }
    }
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(no_caller))
    }
}

/// The session's account where there is one, for public pages.
#[derive(Debug, Clone)]
pub struct MaybeSignedIn(pub Option<SignedIn>);

impl FromRequest for MaybeSignedIn {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<SignedIn>().cloned())))
    }
}

/// A connected worker, by the bearer of its newest connection.
#[derive(Debug, Clone)]
pub struct WorkerCaller {
    /// The worker.
    pub worker: KnownWorker,
}

impl FromRequest for WorkerCaller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(no_caller))
    }
}

/// Whoever called: for routes that both people and workers use (`WorkerOr`).
#[derive(Debug, Clone)]
pub enum Caller {
    /// A person.
    Account(Box<SignedIn>),
    /// A worker.
    Worker(Box<WorkerCaller>),
}

impl Caller {
    /// The account whose things the caller may see: the worker's owner for a worker.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Account(signed_in) => signed_in.account.id,
            Self::Worker(caller) => caller.worker.account_id,
        }
    }
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let account = extensions.get::<SignedIn>().cloned().map(|caller| Self::Account(Box::new(caller)));
        let worker =
            || extensions.get::<WorkerCaller>().cloned().map(|caller| Self::Worker(Box::new(caller)));
        ready(account.or_else(worker).ok_or_else(no_caller))
    }
}

/// The route's guard does not give this caller: the table is wrong, not the client.
fn no_caller() -> Error {
    Error::internal("the guard of this route leaves no such caller")
}
