//! Trades a one-time configuration file for a worker's key.
//!
//! Each way it can fail has its own code and its own words, and the owner sees on the worker's page what
//! happened at the machine.

use actix_web::web;
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::enrolment::{EnrolAnswer, EnrolRequest};
use pictor_cloud_api::problem::ProblemCode;

use super::link::key_of;
use super::problem::{Answer, Error};
use super::state::AppState;
use crate::secrets::hash_secret;
use crate::store::{EnrolError, WorkerRow};

/// Ours have 43; longer ones are not hashed.
const TOKEN_CHARS_MAX: usize = 128;
/// DNS allows 253.
const HOSTNAME_CHARS_MAX: usize = 255;

/// Trades the one-time token of a configuration file for the machine's key.
///
/// # Errors
/// `enrolment_used`, `enrolment_expired`, `enrolment_unknown`, `key_mismatch`; `invalid_input`.
#[utoipa::path(post, path = "/api/v1/workers/enrol", operation_id = "enrol_worker", tag = "worker",
    request_body(content = serde_json::Value, description = "protocol `EnrolRequest`"),
    responses((status = 200, description = "protocol `EnrolAnswer`", body = serde_json::Value)))]
pub async fn enrol(
    state: web::Data<AppState>,
    request: web::Json<EnrolRequest>,
) -> Answer<web::Json<EnrolAnswer>> {
    let request = request.into_inner();
    check(&request)?;
    let hostname = printable(&request.hostname);
    let token = hash_secret(&request.token);
    let done = state.store.enrol(&token, request.worker, &request.public_key, &hostname, state.wall()).await;
    match done {
        Ok(row) => Ok(web::Json(enrolled(&state, row, &hostname).await)),
        Err(error) => {
            let refused = refused(error);
            note(&state, request.worker, &refused, &hostname).await;
            Err(refused)
        }
    }
}

async fn enrolled(state: &AppState, row: WorkerRow, hostname: &str) -> EnrolAnswer {
    tracing::info!(worker = %row.id, hostname, "worker enrolled");
    if let Err(error) = state.store.clear_enrolment_problem(row.id).await {
        tracing::warn!(worker = %row.id, %error, "an older enrolment problem stays on the worker's page");
    }
    state.farm.worker_enrolled(row.account_id, row.id);
    EnrolAnswer { worker: row.id, name: row.name }
}

/// Keeps what happened at the machine and has the owner's open pages look again.
async fn note(state: &AppState, worker: WorkerId, refused: &Error, hostname: &str) {
    let code = refused.code().code();
    tracing::info!(%worker, hostname, code, "enrolment refused");
    let noted = state.store.note_enrolment_problem(worker, code, hostname, state.wall()).await;
    if !noted.is_ok_and(|noted| noted) {
        return; // no worker of ours: there is no page to show it on
    }
    if let Ok(row) = state.store.worker(worker).await {
        state.farm.worker_changed(row.account_id, row.id);
    }
}

fn check(request: &EnrolRequest) -> Result<(), Error> {
    if request.token.is_empty() || request.token.len() > TOKEN_CHARS_MAX {
        return Err(refused(EnrolError::Unknown));
    }
    if key_of(&request.public_key).is_none() {
        return Err(Error::field("public_key", "not an Ed25519 public key of 32 bytes in base64"));
    }
    Ok(())
}

/// The machine's name as it may be shown: no control characters, not too long, never empty.
fn printable(hostname: &str) -> String {
    let shown: String = hostname.chars().filter(|c| !c.is_control()).take(HOSTNAME_CHARS_MAX).collect();
    let shown = shown.trim();
    if shown.is_empty() { "unnamed machine".to_owned() } else { shown.to_owned() }
}

fn refused(error: EnrolError) -> Error {
    match error {
        EnrolError::Used => Error::new(
            ProblemCode::EnrolmentUsed,
            "this configuration file was used already, and is good for one import only: if this is the \
             machine that used it, it is set up; if not, make a fresh file on the worker's page",
        ),
        EnrolError::Expired => Error::new(
            ProblemCode::EnrolmentExpired,
            "this configuration file is older than 24 hours: make a fresh one on the worker's page",
        ),
        EnrolError::Unknown => Error::new(
            ProblemCode::EnrolmentUnknown,
            "this configuration file is not of this cloud, was replaced by a newer one, or its worker was \
             removed: take the newest file from the worker's page",
        ),
        EnrolError::KeyMismatch => Error::new(
            ProblemCode::KeyMismatch,
            "another machine was set up with this configuration file; each machine needs its own worker: \
             make one for this machine, or a fresh file to move the worker here",
        ),
        EnrolError::Store(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_shown_without_surprises() {
        assert_eq!(printable(" rig\u{1b}[31m-01\n"), "rig[31m-01");
        assert_eq!(printable("\u{7}"), "unnamed machine");
        assert_eq!(printable(&"x".repeat(999)).len(), HOSTNAME_CHARS_MAX);
    }

    #[test]
    fn each_failure_has_its_own_code() {
        let codes: Vec<&str> =
            [EnrolError::Used, EnrolError::Expired, EnrolError::Unknown, EnrolError::KeyMismatch]
                .into_iter()
                .map(|error| refused(error).code().code())
                .collect();
        assert_eq!(codes, ["enrolment_used", "enrolment_expired", "enrolment_unknown", "key_mismatch"]);
    }
}
