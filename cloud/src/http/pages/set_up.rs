//! Setting up a worker: the configuration file and the live steps up to the first heartbeat.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::WorkerId;
use pictor_cloud_api::problem::ProblemCode;

use super::{Place, chrome, crumb, needs_role, ok};
use crate::http::guards::SignedIn;
use crate::http::layers::send;
use crate::http::present;
use crate::http::problem::Answer;
use crate::http::state::AppState;
use crate::secrets::enrolment::{file_name, fresh_configuration};
use crate::store::{EnrolmentProblemRow, Role, WorkerRow};
use crate::views::workers::set_up::{RefusedTry, SetUpFacts, SetUpSteps, WorkerSetUpPage};

/// `GET /workers/{worker}/set-up`.
pub async fn page(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
) -> Answer<HttpResponse> {
    let row = state.store.worker_of(caller.id(), *id).await?;
    let mut chrome = chrome(&request, &caller, Place::Workers, "Set up");
    chrome.crumbs = vec![crumb("Workers", "/workers"), crumb(&row.name, format!("/workers/{}", row.id))];
    chrome.live = Some(format!("/events?topic=worker:{}", row.id));
    chrome.refresh = Some(10);
    let file_name = file_name(&row.name);
    let view = WorkerSetUpPage {
        id: row.id.to_string(),
        name: row.name.clone(),
        commands: vec![format!("pictor-worker import {file_name}"), "pictor-worker run".to_owned()],
        file_name,
        steps: steps(&state, row).await?,
    };
    ok(&state, &chrome, &view)
}

/// How far the set-up of a worker is.
pub(super) async fn steps(state: &AppState, row: WorkerRow) -> Answer<SetUpSteps> {
    let problem = state.store.enrolment_problem(row.id).await?;
    let facts = SetUpFacts {
        is_enrolled: row.public_key.is_some(),
        hostname: row.hostname.clone(),
        refused: problem.and_then(|problem| tried(&problem)),
    };
    Ok(SetUpSteps::new(&present::workers::load_one(state, row).await, &facts))
}

/// A code of a later version is not shown: there are no words for it here.
fn tried(problem: &EnrolmentProblemRow) -> Option<RefusedTry> {
    let code = ProblemCode::ALL.iter().copied().find(|known| known.code() == problem.code)?;
    Some(RefusedTry { code, hostname: problem.hostname.clone(), at: present::time(problem.happened_at) })
}

/// `POST /workers/{worker}/configuration`: a fresh file; the one before is dead.
pub async fn configuration(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    let row = state.store.worker_of(caller.id(), *id).await?;
    let cloud = state.address(&request)?;
    let fresh = fresh_configuration(&state.store, row.id, &row.name, &cloud, state.wall()).await?;
    // What went wrong with the file before says nothing about this one.
    state.store.clear_enrolment_problem(row.id).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/toml")
        .insert_header((header::CONTENT_DISPOSITION, send::attachment(&fresh.file_name)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(fresh.content))
}
