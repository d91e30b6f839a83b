//! A job's page, one frame large, and what can be done to a job.

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::JobId;
use pictor_cloud_api::jobs::JobChange;
use serde::Deserialize;

use super::worker::BackForm;
use super::workers::address;
use super::{Place, back, chrome, crumb, needs_role, ok};
use crate::http::api::frames::{failed_frames_page, frames_page};
use crate::http::api::jobs::{JobAction, act, change};
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{Cursor, JobRow, PAGE_ROWS, PageRequest, Role};
use crate::views::format;
use crate::views::jobs::details::{FramesPart, JobLiveParts, JobPage, TabLink, TasksPart, setting_lines};
use crate::views::jobs::frames::FramePage;
use crate::views::jobs::log::LogPart;

/// Frames on one page of the grid.
const FRAMES_A_PAGE: u32 = 200;
/// Lines of the log on the page.
const LOG_LINES: u32 = 300;
const TABS: [(&str, &str); 4] =
    [("Frames", "frames"), ("Tasks", "tasks"), ("Log", "log"), ("Settings", "settings")];

/// Which part.
#[derive(Debug, Deserialize)]
pub struct JobQuery {
    #[serde(default)]
    tab: String,
    #[serde(default)]
    from: u32,
    #[serde(default)]
    show: String,
    #[serde(default)]
    cursor: String,
}

/// A new priority.
#[derive(Debug, Deserialize)]
pub struct PriorityForm {
    priority: u8,
}

/// `GET /jobs/{job}`.
pub async fn page(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    id: Path<JobId>,
    query: Query<JobQuery>,
) -> Answer<HttpResponse> {
    let row = state.store.job_of(caller.id(), *id).await?;
    let tab = TABS.iter().find(|(_, key)| *key == query.tab).map_or("frames", |(_, key)| *key);
    let job = present::jobs::load_one(&state, &row).await?;
    let link = |(label, key): &(&'static str, &'static str)| TabLink {
        label,
        href: address(&format!("/jobs/{}", row.id), &[("tab", if *key == "frames" { "" } else { key })]),
        is_current: *key == tab,
    };
    let is_failed_only = query.show == "failed";
    let view = JobPage {
        live: live_parts(&state, &row).await?,
        tabs: TABS.iter().map(link).collect(),
        frames: if tab == "frames" {
            Some(frames(&state, &row, query.from, is_failed_only).await?)
        } else {
            None
        },
        tasks: if tab == "tasks" { Some(tasks(&state, &row, &query.cursor).await?) } else { None },
        log: if tab == "log" { Some(log(&state, &row).await?) } else { None },
        settings: (tab == "settings").then(|| setting_lines(&job)),
        tab: tab.to_owned(),
    };
    let mut chrome = chrome(&request, &caller, Place::Jobs, &row.name);
    chrome.crumbs = vec![crumb("Jobs", "/jobs")];
    chrome.live = Some(address(
        "/events",
        &[
            ("topic", &format!("job:{}", row.id)),
            ("part", tab),
            ("from", &query.from.to_string()),
            ("show", &query.show),
            ("cursor", &query.cursor),
        ],
    ));
    chrome.refresh = row.state.is_live().then_some(15);
    ok(&state, &chrome, &view)
}

/// The changing part of the page.
pub(super) async fn live_parts(state: &AppState, row: &JobRow) -> Answer<JobLiveParts> {
    let live = present::jobs::live_of(state, row).await;
    let in_hand = live.map_or(0, |live| u64::try_from(live.in_hand.len()).unwrap_or(0));
    Ok(JobLiveParts::new(&present::jobs::load_one(state, row).await?, in_hand))
}

/// The frames from the one at this place on; `is_failed_only`: of those that failed.
pub(super) async fn frames(
    state: &AppState,
    row: &JobRow,
    from: u32,
    is_failed_only: bool,
) -> Answer<FramesPart> {
    let total = if is_failed_only { row.frames_failed } else { row.frames_total };
    let from = from.min(total.saturating_sub(1)) / FRAMES_A_PAGE * FRAMES_A_PAGE;
    let request =
        PageRequest { limit: FRAMES_A_PAGE, cursor: (from > 0).then(|| Cursor::from_text(from.to_string())) };
    let found = if is_failed_only {
        failed_frames_page(state, row, &request).await?
    } else {
        frames_page(state, row, &request).await?
    };
    let id = row.id.to_string();
    let show = |is_failed_only: bool| if is_failed_only { "failed" } else { "" };
    let path = format!("/jobs/{id}");
    let href = |from: u32| address(&path, &[("show", show(is_failed_only)), ("from", &from.to_string())]);
    let end = from.saturating_add(FRAMES_A_PAGE).min(total);
    let range = (total > FRAMES_A_PAGE).then(|| {
        format!(
            "{} to {} of {} frames",
            from + 1,
            format::count(u64::from(end)),
            format::count(u64::from(total))
        )
    });
    Ok(FramesPart {
        cells: FramesPart::cells(&id, &found.items),
        range,
        previous_href: (from > 0).then(|| href(from - FRAMES_A_PAGE)),
        next_href: found.next_cursor.map(|_| href(from + FRAMES_A_PAGE)),
        is_failed_only,
        toggle_href: (is_failed_only || row.frames_failed > 0)
            .then(|| address(&path, &[("show", show(!is_failed_only))])),
    })
}

/// The tasks from this cursor on.
pub(super) async fn tasks(state: &AppState, row: &JobRow, cursor: &str) -> Answer<TasksPart> {
    let request =
        PageRequest { limit: PAGE_ROWS, cursor: (!cursor.is_empty()).then(|| Cursor::from_text(cursor)) };
    let found = state.store.tasks_of(row.id, &request).await?;
    let holders = present::tasks::holders(&state.store.live_leases_of_job(row.id).await?);
    let next = found.next.as_ref().map(|next| next.as_str().to_owned());
    let path = format!("/jobs/{}", row.id);
    Ok(TasksPart {
        rows: found.rows.iter().map(|task| (&present::tasks::task(task, &holders)).into()).collect(),
        next_href: next.map(|next| address(&path, &[("tab", "tasks"), ("cursor", &next)])),
    })
}

/// The newest lines of the log.
pub(super) async fn log(state: &AppState, row: &JobRow) -> Answer<LogPart> {
    let rows = state.store.log_tail(row.id, LOG_LINES).await?;
    let lines: Vec<_> = rows.iter().map(present::tasks::log_line).collect();
    let is_cut = lines.len() >= usize::try_from(LOG_LINES).unwrap_or(usize::MAX);
    Ok(LogPart::new(&row.id.to_string(), &lines, is_cut))
}

/// `GET /jobs/{job}/frames/{frame}`.
pub async fn frame(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    path: Path<(JobId, i32)>,
) -> Answer<HttpResponse> {
    let (id, number) = path.into_inner();
    let row = state.store.job_of(caller.id(), id).await?;
    let stored = state.store.frame(row.id, number).await?;
    let stored = stored.ok_or_else(|| Error::not_found("stored frame"))?;
    let (before, after) = state.store.frames_beside(row.id, number).await?;
    let shown = present::jobs::stored_frame(&row, &stored);
    let view = FramePage::new(&row.id.to_string(), &row.name, &shown, before, after);
    let mut chrome = chrome(&request, &caller, Place::Jobs, &format!("Frame {number}"));
    chrome.crumbs = vec![crumb("Jobs", "/jobs"), crumb(&row.name, format!("/jobs/{}", row.id))];
    ok(&state, &chrome, &view)
}

async fn action(
    state: &AppState,
    caller: &SignedIn,
    job: JobId,
    action: JobAction,
    form: &BackForm,
    done: &str,
) -> Answer<HttpResponse> {
    needs_role(caller, Role::Creator)?;
    act(state, caller, job, action).await?;
    Ok(back(&form.back, done))
}

/// `POST /jobs/{job}/pause`.
pub async fn pause(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    form: Form<BackForm>,
) -> Answer<HttpResponse> {
    action(&state, &caller, *job, JobAction::Pause, &form, "paused").await
}

/// `POST /jobs/{job}/resume`.
pub async fn resume(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    form: Form<BackForm>,
) -> Answer<HttpResponse> {
    action(&state, &caller, *job, JobAction::Resume, &form, "resumed").await
}

/// `POST /jobs/{job}/cancel`.
pub async fn cancel(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    form: Form<BackForm>,
) -> Answer<HttpResponse> {
    action(&state, &caller, *job, JobAction::Cancel, &form, "cancelled").await
}

/// `POST /jobs/{job}/retry`.
pub async fn retry(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    form: Form<BackForm>,
) -> Answer<HttpResponse> {
    action(&state, &caller, *job, JobAction::Retry, &form, "retried").await
}

/// `POST /jobs/{job}/priority`.
pub async fn priority(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    form: Form<PriorityForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Creator)?;
    let wanted = JobChange { priority: Some(form.priority), name: None };
    change(&state, &caller, *job, &wanted, None).await?;
    Ok(back(&format!("/jobs/{job}"), "priority"))
}
