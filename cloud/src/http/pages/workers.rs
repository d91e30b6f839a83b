//! The list of workers, and naming a new one.

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::ids::WorkerId;
use pictor_cloud_domain::liveness::Hold;
use serde::Deserialize;

use super::{Place, chrome, crumb, form_errors, needs_role, ok, refused, see};
use crate::http::api::workers::{sort_of, worker_name};
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::Answer;
use crate::http::state::AppState;
use crate::store::{Cursor, NewWorkerRow, PAGE_ROWS, PageRequest, Role};
use crate::views::forms::Field;
use crate::views::workers::list::{SortLink, WorkerCounts, WorkerListPage, WorkerRow};
use crate::views::workers::set_up::NewWorkerPage;

const SORTS: [(&str, &str, &str); 4] = [
    ("status", "Status", "ascending"),
    ("name", "Name", "ascending"),
    ("created", "Create date", "descending"),
    ("updated", "Last update", "descending"),
];

/// What the list shows.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    cursor: String,
}

/// A new worker.
#[derive(Debug, Deserialize)]
pub struct NameForm {
    name: String,
}

impl NameForm {
    /// What was typed.
    pub(super) fn typed(&self) -> &str {
        &self.name
    }
}

/// An address with these parameters, empty ones left out.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// `GET /workers`.
pub async fn list(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    query: Query<ListQuery>,
) -> Answer<HttpResponse> {
    let ListQuery { q, sort, cursor } = query.into_inner();
    let sort = SORTS.iter().find(|(key, ..)| *key == sort).map_or("name", |(key, ..)| *key);
    let page = PageRequest {
        limit: PAGE_ROWS,
        cursor: (!cursor.is_empty()).then(|| Cursor::from_text(cursor.as_str())),
    };
    let search = Some(q.trim()).filter(|text| !text.is_empty());
    let found = state.store.list_workers(caller.id(), sort_of(Some(sort))?, search, &page).await?;
    let next = found.next.as_ref().map(|next| next.as_str().to_owned());
    let workers = present::workers::load(&state, found.rows).await;
    let link = |(key, label, direction): &(&'static str, &'static str, &'static str)| SortLink {
        key,
        label,
        href: address("/workers", &[("q", &q), ("sort", key)]),
        is_current: *key == sort,
        direction,
    };
    let view = WorkerListPage {
        counts: state.farm.worker_counts(caller.id()).await.as_ref().map(WorkerCounts::new),
        rows: workers.iter().map(WorkerRow::new).collect(),
        is_first_time: workers.is_empty() && search.is_none() && cursor.is_empty(),
        sorts: SORTS.iter().map(link).collect(),
        next_href: next.map(|next| address("/workers", &[("q", &q), ("sort", sort), ("cursor", &next)])),
        is_later_page: !cursor.is_empty(),
        held_back: held_back(&state, &caller),
        sort: sort.to_owned(),
        search: q,
    };
    let mut chrome = chrome(&request, &caller, Place::Workers, "Workers");
    let shown: Vec<&str> = view.rows.iter().map(|row| row.id.as_str()).collect();
    chrome.live = Some(address("/events", &[("topic", "workers"), ("rows", &shown.join(","))]));
    chrome.refresh = Some(30);
    ok(&state, &chrome, &view)
}

/// Why silent workers keep their tasks, for operators. That the cloud has just started they know themselves.
fn held_back(state: &AppState, caller: &SignedIn) -> Option<String> {
    let hold = state.farm.held_back().filter(|hold| *hold != Hold::Start)?;
    caller.account.roles.contains(&Role::Operator).then(|| hold.to_string())
}

/// `GET /workers/new`.
pub async fn new_page(request: HttpRequest, caller: SignedIn, state: Data<AppState>) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    let taken = state.store.worker_names(caller.id()).await?;
    let free = (1..=99_999).map(|number| format!("rig-{number:02}"));
    let name = free.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
    ok(&state, &new_chrome(&request, &caller), &new_view(&caller, Field::of(name)))
}

fn new_chrome(request: &HttpRequest, caller: &SignedIn) -> crate::views::Chrome {
    let mut chrome = chrome(request, caller, Place::Workers, "Add a worker");
    chrome.crumbs = vec![crumb("Workers", "/workers")];
    chrome
}

fn new_view(caller: &SignedIn, name: Field) -> NewWorkerPage {
    NewWorkerPage { name, wallet_address: caller.account.wallet_address.clone() }
}

/// `POST /workers`.
pub async fn create(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Form<NameForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Provider)?;
    match made(&state, &caller, &form.name).await {
        Ok(worker) => Ok(see(&format!("/workers/{worker}/set-up"))),
        Err(error) => {
            let Some(mut errors) = form_errors(&error) else { return Err(error) };
            if let Some(whole) = errors.whole.take() {
                errors.fields.insert("name".to_owned(), whole);
            }
            let view = new_view(&caller, Field::of(&form.name).with_error("name", &errors));
            refused(&state, &error, &new_chrome(&request, &caller), &view)
        }
    }
}

async fn made(state: &AppState, caller: &SignedIn, name: &str) -> Answer<WorkerId> {
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: caller.id(), name: worker_name(name)? };
    let row = state.store.create_worker(&new, state.wall()).await?;
    state.farm.worker_changed(row.account_id, row.id);
    Ok(row.id)
}
