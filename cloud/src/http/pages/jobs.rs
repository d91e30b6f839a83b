//! The list of jobs.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_cloud_api::jobs::Job;
use serde::Deserialize;

use super::workers::address;
use super::{Place, chrome, ok};
use crate::agents::JobLive;
use crate::http::api::jobs::states_of;
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::Answer;
use crate::http::state::AppState;
use crate::store::{Cursor, JobRow as StoredJob, PAGE_ROWS, PageRequest};
use crate::views::jobs::list::{FilterLink, JobListPage, JobRow};

const FILTERS: [(&str, &str); 6] = [
    ("All", ""),
    ("Waiting", "ready"),
    ("Running", "running"),
    ("Paused", "paused"),
    ("Completed", "completed"),
    ("Failed", "failed"),
];

/// What the list shows.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cursor: String,
}

/// `GET /jobs`.
pub async fn list(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    query: Query<ListQuery>,
) -> Answer<HttpResponse> {
    let ListQuery { q, state: wanted, cursor } = query.into_inner();
    let states = states_of(Some(&wanted))?;
    let page = PageRequest {
        limit: PAGE_ROWS,
        cursor: (!cursor.is_empty()).then(|| Cursor::from_text(cursor.as_str())),
    };
    let search = Some(q.trim()).filter(|text| !text.is_empty());
    let found = state.store.list_jobs(caller.id(), &states, search, &page).await?;
    let next = found.next.as_ref().map(|next| next.as_str().to_owned());
    let rows = rows(&state, &found.rows).await?;
    let filter = |(label, key): &(&'static str, &'static str)| FilterLink {
        label,
        href: address("/jobs", &[("q", &q), ("state", key)]),
        is_current: *key == wanted,
    };
    let view = JobListPage {
        is_first_time: rows.is_empty() && search.is_none() && wanted.is_empty() && cursor.is_empty(),
        rows,
        filters: FILTERS.iter().map(filter).collect(),
        next_href: next.map(|next| address("/jobs", &[("q", &q), ("state", &wanted), ("cursor", &next)])),
        is_later_page: !cursor.is_empty(),
        search: q,
        state: wanted,
    };
    let mut chrome = chrome(&request, &caller, Place::Jobs, "Jobs");
    chrome.live = Some("/events?topic=jobs".to_owned());
    chrome.refresh = Some(30);
    ok(&state, &chrome, &view)
}

/// Rows of the list, in the order of the jobs.
pub(super) async fn rows(state: &AppState, jobs: &[StoredJob]) -> Answer<Vec<JobRow>> {
    let with_frames: Vec<_> = jobs.iter().filter(|job| job.frames_done > 0).map(|job| job.id).collect();
    let newest = state.store.newest_frames(&with_frames).await?;
    let shown = present::jobs::load(state, jobs).await?;
    let row = |(stored, (job, live)): (&StoredJob, (Job, Option<JobLive>))| {
        let in_hand = live.map_or(0, |live| u64::try_from(live.in_hand.len()).unwrap_or(0));
        JobRow::new(&job, in_hand, newest.get(&stored.id).copied())
    };
    Ok(jobs.iter().zip(shown).map(row).collect())
}
