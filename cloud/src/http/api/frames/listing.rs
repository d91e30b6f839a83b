//! Every frame of a job with its state.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path, Query};
use pictor_actors::ids::JobId;
use pictor_cloud_api::jobs::Frame;
use pictor_cloud_api::page::{Page, PageQuery};
use pictor_cloud_domain::job::FrameSet;
use pictor_cloud_domain::task::TaskState;

use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::present::jobs::FrameFacts;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{FrameRow, JobRow, PAGE_ROWS_MAX, PageRequest};

/// Every frame of the job, ascending, stored or not.
#[utoipa::path(get, path = "/api/v1/jobs/{job}/frames", operation_id = "list_frames", tag = "frames",
    params(("job" = String, Path), PageQuery), responses((status = 200, body = Page<Frame>)))]
pub async fn list_frames(
    caller: SignedIn,
    state: Data<AppState>,
    job: Path<JobId>,
    query: Query<PageQuery>,
) -> Answer<Json<Page<Frame>>> {
    let job = state.store.job_of(caller.id(), job.into_inner()).await?;
    let page = present::page_request(&query)?;
    Ok(Json(frames_page(&state, &job, &page).await?))
}

/// One page of a job's frames; the cursor is the count of frames before it.
///
/// # Errors
/// `invalid_input` for a cursor of another list.
pub async fn frames_page(state: &AppState, job: &JobRow, page: &PageRequest) -> Answer<Page<Frame>> {
    let all: FrameSet = job.frames.parse().map_err(Error::internal)?;
    let skip = skip_of(page)?;
    let numbers = all.slice(skip, page.limit);
    let items = match numbers {
        Some(numbers) => {
            let stored = state.store.frames_between(job.id, numbers.first(), numbers.last()).await?;
            present::jobs::frames(job, &numbers, &facts_of(state, job, stored).await?)
        }
        None => Vec::new(),
    };
    let end = skip.saturating_add(page.limit);
    Ok(Page { items, next_cursor: (end < all.len()).then(|| end.to_string()) })
}

/// One page of the frames that were given up.
///
/// # Errors
/// `invalid_input` for a cursor of another list.
pub async fn failed_frames_page(state: &AppState, job: &JobRow, page: &PageRequest) -> Answer<Page<Frame>> {
    let stored = state.store.frames_of_failed_tasks(job.id).await?;
    let facts = facts_of(state, job, stored).await?;
    let failed = facts.given_up.iter().filter(|number| !facts.stored.contains_key(number)).copied();
    let failed: Vec<i32> = failed.collect();
    let skip = skip_of(page)?;
    let shown = failed.iter().copied().skip(skip as usize).take(page.limit as usize);
    // No frame at all is no set of frames.
    let shown = FrameSet::from_frames(shown).ok();
    let items = shown.map(|numbers| present::jobs::frames(job, &numbers, &facts)).unwrap_or_default();
    let end = skip.saturating_add(page.limit);
    Ok(Page { items, next_cursor: ((end as usize) < failed.len()).then(|| end.to_string()) })
}

fn skip_of(page: &PageRequest) -> Answer<u32> {
    let Some(cursor) = &page.cursor else { return Ok(0) };
    cursor
        .as_str()
        .parse()
        .map_err(|_| Error::field("cursor", "not a cursor of this list: begin without one"))
}

/// `stored`: of the frames to show, those that are.
async fn facts_of(state: &AppState, job: &JobRow, stored: Vec<FrameRow>) -> Answer<FrameFacts> {
    let live = present::jobs::live_of(state, job).await;
    let mut facts = FrameFacts {
        stored: stored.into_iter().map(|row| (row.frame, row)).collect::<BTreeMap<_, _>>(),
        in_hand: live.iter().flat_map(|live| &live.in_hand).map(|frame| frame.frame).collect(),
        ..FrameFacts::default()
    };
    if job.frames_failed > 0 {
        add_given_up(state, job, &mut facts).await?;
    }
    Ok(facts)
}

async fn add_given_up(state: &AppState, job: &JobRow, facts: &mut FrameFacts) -> Answer<()> {
    let mut page = PageRequest::first(PAGE_ROWS_MAX);
    loop {
        let tasks = state.store.tasks_of(job.id, &page).await?;
        for task in tasks.rows.iter().filter(|task| task.state == TaskState::Failed) {
            let frames: FrameSet = task.frames.parse().map_err(Error::internal)?;
            facts.given_up.extend(frames.iter());
        }
        match tasks.next {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}
