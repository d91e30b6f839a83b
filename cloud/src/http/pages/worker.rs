//! A worker's page and what can be done to it.

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::{Pause, PauseReason};
use pictor_actors::units::Millis;
use serde::Deserialize;

use super::workers::NameForm;
use super::{Place, back, chrome, crumb, form_errors, needs_role, ok, refused};
use crate::http::api::workers::{set_pause, worker_name};
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{Role, WorkerRow};
use crate::views::Chrome;
use crate::views::forms::Field;
use crate::views::workers::details::{WorkerLiveParts, WorkerPage};
use crate::views::workers::metrics::series;

/// Longest pause that a form can ask for.
const PAUSE_MS_MAX: u64 = 30 * 24 * 3600 * 1000;

/// Which tab.
#[derive(Debug, Deserialize)]
pub struct TabQuery {
    #[serde(default)]
    tab: String,
}

/// How long.
#[derive(Debug, Deserialize)]
pub struct PauseForm {
    #[serde(default)]
    for_ms: u64,
    #[serde(default)]
    back: String,
}

/// Where the form stood.
#[derive(Debug, Deserialize)]
pub struct BackForm {
    /// A path of this cloud.
    #[serde(default)]
    pub back: String,
}

fn page_chrome(request: &HttpRequest, caller: &SignedIn, row: &WorkerRow, is_settings: bool) -> Chrome {
    let mut chrome = chrome(request, caller, Place::Workers, &row.name);
    chrome.crumbs = vec![crumb("Workers", "/workers")];
    if !is_settings {
        chrome.live = Some(format!("/events?topic=worker:{}", row.id));
        chrome.refresh = Some(15);
        chrome.scripts = vec!["worker.js"];
        chrome.styles = vec!["worker.css"];
    }
    chrome
}

async fn view(state: &AppState, row: WorkerRow, is_settings: bool, name: Field) -> WorkerPage {
    let samples = state.farm.worker_samples(row.id).await;
    let worker = present::workers::load_one(state, row).await;
    WorkerPage {
        live: WorkerLiveParts::new(&worker, &samples),
        series: series(&worker, &samples),
        is_settings,
        name,
    }
}

/// `GET /workers/{worker}`.
pub async fn page(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
    query: Query<TabQuery>,
) -> Answer<HttpResponse> {
    let row = state.store.worker_of(caller.id(), *id).await?;
    let is_settings = query.tab == "settings";
    let chrome = page_chrome(&request, &caller, &row, is_settings);
    let name = Field::of(&row.name);
    ok(&state, &chrome, &view(&state, row, is_settings, name).await)
}

/// `POST /workers/{worker}/name`.
pub async fn rename(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
    form: Form<NameForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    let row = state.store.worker_of(caller.id(), *id).await?;
    match renamed(&state, &caller, row.id, form.typed()).await {
        Ok(()) => Ok(back(&format!("/workers/{}", row.id), "renamed")),
        Err(error) => {
            let Some(mut errors) = form_errors(&error) else { return Err(error) };
            if let Some(whole) = errors.whole.take() {
                errors.fields.insert("name".to_owned(), whole);
            }
            let chrome = page_chrome(&request, &caller, &row, true);
            let name = Field::of(form.typed()).with_error("name", &errors);
            refused(&state, &error, &chrome, &view(&state, row, true, name).await)
        }
    }
}

async fn renamed(state: &AppState, caller: &SignedIn, id: WorkerId, name: &str) -> Answer<()> {
    let name = worker_name(name)?;
    let row = state.store.rename_worker(caller.id(), id, &name, state.wall()).await?;
    state.farm.worker_changed(row.account_id, row.id);
    Ok(())
}

/// `POST /workers/{worker}/pause`.
pub async fn pause(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
    form: Form<PauseForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    if form.for_ms > PAUSE_MS_MAX {
        return Err(Error::field("for_ms", "use at most 30 days, or pause until you resume it"));
    }
    let until = (form.for_ms > 0).then(|| state.wall().plus(Millis(form.for_ms)));
    let pause = Pause { reason: PauseReason::Dashboard, until };
    set_pause(&state, &caller, *id, Some(pause)).await?;
    Ok(back(&form.back, "paused"))
}

/// `POST /workers/{worker}/resume`.
pub async fn resume(
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<WorkerId>,
    form: Form<BackForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    set_pause(&state, &caller, *id, None).await?;
    Ok(back(&form.back, "resumed"))
}

/// `POST /workers/{worker}/remove`.
pub async fn remove(caller: SignedIn, state: Data<AppState>, id: Path<WorkerId>) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    let released = state.store.remove_worker(caller.id(), *id, state.wall()).await?;
    state.farm.worker_removed(*id);
    for lease in released {
        state.farm.job_changed(lease.job_id);
    }
    Ok(back("/workers", "removed"))
}
