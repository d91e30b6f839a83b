//! What a live event changes on an open page: pieces that htmx puts in place of the old ones.
//!
//! An event only says where to look, so each piece is made from what is stored now. A piece whose place is
//! not on the page is dropped there.

use std::collections::BTreeMap;

use pictor_actors::ids::{AccountId, JobId, WorkerId};
use serde::Deserialize;

use super::{job, jobs, set_up};
use crate::agents::broadcast::{LiveEvent, Topic};
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::JobRow;
use crate::views::View;
use crate::views::jobs::frames::FrameCell;
use crate::views::workers::details::WorkerLiveParts;
use crate::views::workers::list::{WorkerCounts, WorkerRow};

/// The pieces for a page that listens to `topic`; nothing where there is nothing to show.
pub async fn render(
    state: &AppState,
    account: AccountId,
    topic: Topic,
    event: LiveEvent,
    shown: &mut Shown,
) -> Option<String> {
    let made = match event {
        LiveEvent::WorkerChanged(worker) => worker_pieces(state, account, topic, worker).await,
        LiveEvent::JobChanged(job) => job_pieces(state, account, topic, job, shown).await,
        LiveEvent::FrameStored { job, frame } => frame_piece(state, account, job, frame, shown).await,
        LiveEvent::LogAppended { job } => log_piece(state, account, job, shown).await,
        LiveEvent::WorkersChanged(_) | LiveEvent::Resync => return None,
    };
    let made = made.inspect_err(|error| tracing::debug!(%error, "a live event could not be shown")).ok();
    made.filter(|html| !html.is_empty())
}

/// How many workers of the account are at what; nothing while that is not known: the page keeps what it
/// shows.
pub async fn counts(state: &AppState, account: AccountId) -> Option<String> {
    let counts = WorkerCounts::new(&state.farm.worker_counts(account).await?);
    let html = fill(state, &counts).inspect_err(|error| tracing::warn!(%error, "counts were not shown"));
    Some(piece("worker-counts", "outerMorph", &html.ok()?))
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

async fn job_pieces(
    state: &AppState,
    account: AccountId,
    topic: Topic,
    id: JobId,
    shown: &mut Shown,
) -> Answer<String> {
    let row = state.store.job_of(account, id).await?;
    if matches!(topic, Topic::JobsOf(_)) {
        let rows = jobs::rows(state, std::slice::from_ref(&row)).await?;
        let html = rows.iter().map(|row| fill(state, row)).collect::<Answer<String>>()?;
        return Ok(piece(&format!("row-{id}"), "outerMorph", &html));
    }
    let mut html = fill(state, &job::live_parts(state, &row).await?)?;
    match shown {
        Shown::Frames(grid) => html.push_str(&grid.pieces(state, &row).await?),
        Shown::Tasks(cursor) => {
            let tasks = fill(state, &job::tasks(state, &row, cursor).await?)?;
            html.push_str(&piece("job-tasks", "innerMorph", &tasks));
        }
        Shown::Log | Shown::Nothing => {}
    }
    Ok(html)
}

async fn frame_piece(
    state: &AppState,
    account: AccountId,
    id: JobId,
    number: i32,
    shown: &mut Shown,
) -> Answer<String> {
    let Shown::Frames(grid) = shown else { return Ok(String::new()) };
    let row = state.store.job_of(account, id).await?;
    let stored = state.store.frame(id, number).await?.ok_or_else(|| Error::not_found("stored frame"))?;
    let cell = FrameCell::new(&id.to_string(), &present::jobs::stored_frame(&row, &stored));
    grid.note(&cell);
    Ok(piece(&cell.key, "outerMorph", &fill(state, &cell)?))
}

async fn log_piece(state: &AppState, account: AccountId, id: JobId, shown: &Shown) -> Answer<String> {
    let Shown::Log = shown else { return Ok(String::new()) };
    let row = state.store.job_of(account, id).await?;
    Ok(piece("job-log", "innerMorph", &fill(state, &job::log(state, &row).await?)?))
}

/// What a job's page shows beside its head: as said in the address of its stream.
#[derive(Debug, Default, Deserialize)]
pub struct PartQuery {
    part: Option<String>,
    #[serde(default)]
    from: String,
    show: Option<String>,
    cursor: Option<String>,
}

/// What the listening page shows, so that it is sent only what changes there.
#[derive(Debug)]
pub enum Shown {
    /// The grid of frames.
    Frames(Grid),
    /// The tasks from this cursor on.
    Tasks(String),
    /// The log.
    Log,
    /// Nothing that changes.
    Nothing,
}

/// One page of the grid and the states that its cells were last sent with.
#[derive(Debug, Default)]
pub struct Grid {
    from: u32,
    is_failed_only: bool,
    sent: Option<BTreeMap<String, String>>,
}

impl Shown {
    /// As the address says; whatever it does not say is not shown.
    #[must_use]
    pub fn new(query: PartQuery) -> Self {
        match query.part.as_deref() {
            Some("frames") => Self::Frames(Grid {
                from: query.from.parse().unwrap_or(0),
                is_failed_only: query.show.as_deref() == Some("failed"),
                sent: None,
            }),
            Some("tasks") => Self::Tasks(query.cursor.unwrap_or_default()),
            Some("log") => Self::Log,
            Some(_) | None => Self::Nothing,
        }
    }
}

impl Grid {
    /// The cells that changed. At first all of them: some may have changed between the page and its stream.
    /// Where only failed frames are shown the list itself changes.
    async fn pieces(&mut self, state: &AppState, row: &JobRow) -> Answer<String> {
        let part = job::frames(state, row, self.from, self.is_failed_only).await?;
        let now: BTreeMap<_, _> =
            part.cells.iter().map(|cell| (cell.key.clone(), cell.state.clone())).collect();
        let before = self.sent.replace(now);
        let is_same_list =
            |before: &BTreeMap<_, _>| before.keys().eq(self.sent.iter().flat_map(|m| m.keys()));
        let mut html = String::new();
        match before.filter(is_same_list) {
            Some(before) => {
                for cell in part.cells.iter().filter(|cell| before.get(&cell.key) != Some(&cell.state)) {
                    html.push_str(&piece(&cell.key, "outerMorph", &fill(state, cell)?));
                }
            }
            None => {
                let mut cells = String::new();
                for cell in &part.cells {
                    cells.push_str(&fill(state, cell)?);
                }
                html = piece("frames", "innerMorph", &cells);
            }
        }
        Ok(html)
    }

    fn note(&mut self, cell: &FrameCell) {
        if let Some(state) = self.sent.as_mut().and_then(|sent| sent.get_mut(&cell.key)) {
            state.clone_from(&cell.state);
        }
    }
}
