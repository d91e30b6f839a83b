//! What a live event changes on an open page: pieces that htmx puts in place of the old ones.
//!
//! An event only says where to look, so each piece is made from what is stored now. A piece whose place is
//! not on the page is dropped there.

use pictor_actors::ids::{AccountId, JobId, WorkerId};

use super::{job, jobs, set_up};
use crate::agents::broadcast::{LiveEvent, Topic};
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::views::View;
use crate::views::jobs::frames::{FrameCell, cell_key};
use crate::views::workers::details::WorkerLiveParts;
use crate::views::workers::list::WorkerRow;

/// The pieces for a page that listens to `topic`; nothing where there is nothing to show.
pub async fn render(state: &AppState, account: AccountId, topic: Topic, event: LiveEvent) -> Option<String> {
    let made = match event {
        LiveEvent::WorkerChanged(worker) => worker_pieces(state, account, topic, worker).await,
        LiveEvent::JobChanged(job) => job_pieces(state, account, topic, job).await,
        LiveEvent::FrameStored { job, frame } => frame_piece(state, account, job, frame).await,
        LiveEvent::LogAppended { job } => log_piece(state, account, job).await,
        LiveEvent::Resync => return None,
    };
    made.inspect_err(|error| tracing::debug!(%error, "a live event could not be shown")).ok()
}

fn fill<V: View>(state: &AppState, view: &V) -> Answer<String> {
    state.views.fragment(view).map_err(Error::internal)
}

/// `target` is an id of ours: letters, digits, `-` and `_` only.
fn piece(target: &str, swap: &str, html: &str) -> String {
    format!(r##"<hx-partial hx-target="#{target}" hx-swap="{swap}">{html}</hx-partial>"##)
}

async fn worker_pieces(state: &AppState, account: AccountId, topic: Topic, id: WorkerId) -> Answer<String> {
    let row = state.store.worker_of(account, id).await?;
    if matches!(topic, Topic::WorkersOf(_)) {
        let worker = present::workers::load_one(state, row).await;
        return Ok(piece(&format!("row-{id}"), "outerMorph", &fill(state, &WorkerRow::new(&worker))?));
    }
    let samples = state.farm.worker_samples(id).await;
    let worker = present::workers::load_one(state, row.clone()).await;
    let mut html = fill(state, &WorkerLiveParts::new(&worker, &samples))?;
    let steps = fill(state, &set_up::steps(state, row).await?)?;
    html.push_str(&piece("set-up-steps", "outerMorph", &steps));
    Ok(html)
}

async fn job_pieces(state: &AppState, account: AccountId, topic: Topic, id: JobId) -> Answer<String> {
    let row = state.store.job_of(account, id).await?;
    if matches!(topic, Topic::JobsOf(_)) {
        let html = fill(state, &jobs::row(state, &row).await?)?;
        return Ok(piece(&format!("row-{id}"), "outerMorph", &html));
    }
    let mut html = fill(state, &job::live_parts(state, &row).await?)?;
    if row.frames_total <= job::FRAMES_A_PAGE {
        let mut cells = String::new();
        for cell in job::frames(state, &row, 0).await?.cells {
            cells.push_str(&fill(state, &cell)?);
        }
        html.push_str(&piece("frames", "innerMorph", &cells));
    }
    Ok(html)
}

async fn frame_piece(state: &AppState, account: AccountId, id: JobId, number: i32) -> Answer<String> {
    let row = state.store.job_of(account, id).await?;
    let stored = state.store.frame(id, number).await?.ok_or_else(|| Error::not_found("stored frame"))?;
    let cell = FrameCell::new(&id.to_string(), &present::jobs::stored_frame(&row, &stored));
    Ok(piece(&cell_key(number), "outerMorph", &fill(state, &cell)?))
}

async fn log_piece(state: &AppState, account: AccountId, id: JobId) -> Answer<String> {
    let row = state.store.job_of(account, id).await?;
    Ok(piece("job-log", "innerMorph", &fill(state, &job::log(state, &row).await?)?))
}
