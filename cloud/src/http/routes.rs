//! THE table: every route with its method, path, guard, kind and handler, one a line.
//!
//! The guard is kept by the table itself (before the handler, before the body is read), so a handler cannot
//! forget it. `cloud/tests/api/walk.rs` calls every line as nobody, as a stranger, with a read token and as a
//! worker.

use std::collections::BTreeMap;

use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig, to};
use actix_web::{HttpResponse, Route as ActixRoute, guard};
use pictor_cloud_api::problem::ProblemCode;

use super::api::{accounts, blobs, docs, downloads, frames, jobs, sessions, tasks, tokens, uploads, workers};
use super::guards::Guard::{self, Api, Door, Page, Public, Session, Worker, WorkerOr};
use super::guards::Need::{ReadAccount, ReadJobs, ReadWorkers, WriteAccount, WriteJobs, WriteWorkers};
use super::guards::enforce;
use super::layers::{limits, once};
use super::pages::{account, job, send_file, set_up, sign_in, start, submit, worker};
use super::pages::{jobs as job_pages, workers as worker_pages};
use super::problem::Error;
use super::{assets, enrol, health, link, live};
use Kind::{Create, Plain, Secret, Stream};

/// How a route takes its body and gives its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Small body, answered within the time limit.
    Plain,
    /// Plain, and makes something: with an `Idempotency-Key` it does so once and repeats its answer.
    Create,
    /// The same where the answer holds a secret: it is not kept, so a repetition is refused instead of
    /// answered.
    Secret,
    /// Body or answer are streamed for as long as they move.
    Stream,
}

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Route {
    /// Method; `GET` answers `HEAD` as well.
    pub method: &'static str,
    /// Path with its parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub guard: Guard,
    /// Body and answer.
    pub kind: Kind,
    handler: fn() -> ActixRoute,
}

/// All routes. Within a path, methods; more exact paths first.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    // account
    get("/api/v1/account", Api(ReadAccount), Plain, || to(accounts::get_account)),
    patch("/api/v1/account", Api(WriteAccount), Plain, || to(accounts::change_account)),
    get("/api/v1/sessions", Api(WriteAccount), Plain, || to(sessions::list_sessions)),
    delete("/api/v1/sessions/{session}", Api(WriteAccount), Plain, || to(sessions::end_session)),
    get("/api/v1/tokens", Api(WriteAccount), Plain, || to(tokens::list_tokens)),
    post("/api/v1/tokens", Session, Secret, || to(tokens::create_token)),
    delete("/api/v1/tokens/{token}", Api(WriteAccount), Plain, || to(tokens::revoke_token)),
    // workers
    get("/api/v1/workers", Api(ReadWorkers), Plain, || to(workers::list_workers)),
    post("/api/v1/workers", Api(WriteWorkers), Create, || to(workers::create_worker)),
    post("/api/v1/workers/enrol", Door, Plain, || to(enrol::enrol)),
    get("/api/v1/workers/{worker}", Api(ReadWorkers), Plain, || to(workers::get_worker)),
    patch("/api/v1/workers/{worker}", Api(WriteWorkers), Plain, || to(workers::change_worker)),
    delete("/api/v1/workers/{worker}", Api(WriteWorkers), Plain, || to(workers::remove_worker)),
    post("/api/v1/workers/{worker}/configuration", Api(WriteWorkers), Secret, || to(workers::configuration)),
    put("/api/v1/workers/{worker}/pause", Api(WriteWorkers), Plain, || to(workers::pause_worker)),
    delete("/api/v1/workers/{worker}/pause", Api(WriteWorkers), Plain, || to(workers::resume_worker)),
    // jobs
    get("/api/v1/jobs", Api(ReadJobs), Plain, || to(jobs::list_jobs)),
    post("/api/v1/jobs", Api(WriteJobs), Create, || to(jobs::create_job)),
    get("/api/v1/jobs/{job}", Api(ReadJobs), Plain, || to(jobs::get_job)),
    patch("/api/v1/jobs/{job}", Api(WriteJobs), Plain, || to(jobs::change_job)),
    post("/api/v1/jobs/{job}/pause", Api(WriteJobs), Create, || to(jobs::pause_job)),
    post("/api/v1/jobs/{job}/resume", Api(WriteJobs), Create, || to(jobs::resume_job)),
    post("/api/v1/jobs/{job}/cancel", Api(WriteJobs), Create, || to(jobs::cancel_job)),
    post("/api/v1/jobs/{job}/retry", Api(WriteJobs), Create, || to(jobs::retry_job)),
    get("/api/v1/jobs/{job}/tasks", Api(ReadJobs), Plain, || to(tasks::list_tasks)),
    get("/api/v1/jobs/{job}/frames", Api(ReadJobs), Plain, || to(frames::list_frames)),
    get("/api/v1/jobs/{job}/log", Api(ReadJobs), Plain, || to(tasks::job_log)),
    get("/api/v1/jobs/{job}/frames.zip", Api(ReadJobs), Stream, || to(downloads::frames_zip)),
    get("/api/v1/jobs/{job}/frames/{frame}", Api(ReadJobs), Stream, || to(downloads::frame_bytes)),
    get("/api/v1/jobs/{job}/frames/{frame}/thumbnail", Api(ReadJobs), Plain, || to(downloads::thumbnail)),
    // uploads and inputs
    post("/api/v1/uploads", Api(WriteJobs), Create, || to(uploads::begin_upload)),
    get("/api/v1/uploads/{upload}", Api(ReadJobs), Plain, || to(uploads::get_upload)),
    put("/api/v1/uploads/{upload}/parts/{part}", Api(WriteJobs), Stream, || to(uploads::put_part)),
    post("/api/v1/uploads/{upload}/places", Api(WriteJobs), Plain, || to(uploads::place_parts)),
    post("/api/v1/uploads/{upload}/parts", Api(WriteJobs), Plain, || to(uploads::commit_parts)),
    post("/api/v1/uploads/{upload}/complete", Api(WriteJobs), Stream, || to(uploads::complete_upload)),
    get("/api/v1/jobs/{job}/inputs", WorkerOr(ReadJobs), Plain, || to(blobs::job_inputs)),
    get("/api/v1/blobs/{hash}", WorkerOr(ReadJobs), Stream, || to(blobs::get_blob)),
    // frames from workers
    put("/api/v1/leases/{lease}/frames/{frame}", Worker, Stream, || to(frames::put_frame)),
    post("/api/v1/leases/{lease}/frames/{frame}/place", Worker, Plain, || to(frames::place_frame)),
    post("/api/v1/leases/{lease}/frames/{frame}/commit", Worker, Stream, || to(frames::commit_frame)),
    // workers' own
    get("/api/v1/link", Public, Plain, || to(link::open)),
    // live events and health
    get("/events", Api(ReadAccount), Plain, || to(live::events)),
    get("/livez", Public, Plain, || to(health::livez)),
    get("/readyz", Public, Plain, || to(health::readyz)),
    get("/metrics", Public, Plain, || to(health::metrics)),
    // pages
    get("/", Page, Plain, || to(start::home)),
    post("/theme", Public, Plain, || to(start::theme)),
    get("/assets/{file}", Public, Plain, || to(assets::asset)),
    get("/licences", Public, Plain, || to(assets::licences)),
    get("/set-up/{token}", Door, Plain, || to(sign_in::set_up_page)),
    post("/set-up/{token}", Door, Plain, || to(sign_in::set_up)),
    get("/sign-in", Door, Plain, || to(sign_in::page)),
    post("/sign-in", Door, Plain, || to(sign_in::submit)),
    post("/sign-out", Page, Plain, || to(sign_in::leave)),
    get("/account", Page, Plain, || to(account::page)),
    post("/account", Page, Plain, || to(account::save)),
    post("/account/password", Page, Plain, || to(account::password)),
    post("/account/sessions/{session}/end", Page, Plain, || to(account::end_session)),
    post("/account/tokens", Page, Plain, || to(account::new_token)),
    post("/account/tokens/{token}/revoke", Page, Plain, || to(account::revoke_token)),
    get("/workers", Page, Plain, || to(worker_pages::list)),
    post("/workers", Page, Plain, || to(worker_pages::create)),
    get("/workers/new", Page, Plain, || to(worker_pages::new_page)),
    get("/workers/{worker}", Page, Plain, || to(worker::page)),
    get("/workers/{worker}/set-up", Page, Plain, || to(set_up::page)),
    post("/workers/{worker}/configuration", Page, Plain, || to(set_up::configuration)),
    post("/workers/{worker}/name", Page, Plain, || to(worker::rename)),
    post("/workers/{worker}/pause", Page, Plain, || to(worker::pause)),
    post("/workers/{worker}/resume", Page, Plain, || to(worker::resume)),
    post("/workers/{worker}/remove", Page, Plain, || to(worker::remove)),
    get("/jobs", Page, Plain, || to(job_pages::list)),
    post("/jobs", Page, Plain, || to(submit::submit)),
    get("/jobs/new", Page, Plain, || to(submit::page)),
    post("/jobs/new", Page, Stream, || to(send_file::submit)),
    get("/jobs/{job}", Page, Plain, || to(job::page)),
    get("/jobs/{job}/frames/{frame}", Page, Plain, || to(job::frame)),
    post("/jobs/{job}/pause", Page, Plain, || to(job::pause)),
    post("/jobs/{job}/resume", Page, Plain, || to(job::resume)),
    post("/jobs/{job}/cancel", Page, Plain, || to(job::cancel)),
    post("/jobs/{job}/retry", Page, Plain, || to(job::retry)),
    post("/jobs/{job}/priority", Page, Plain, || to(job::priority)),
    // description
    get("/api/v1/openapi.json", Public, Plain, || to(docs::openapi)),
    get("/api/docs", Public, Plain, || to(docs::to_index)),
    get("/api/docs/problems", Public, Plain, || to(docs::problems)),
    get("/api/docs/{file:.*}", Public, Plain, || to(docs::file)),
];

const fn route(
    method: &'static str,
    path: &'static str,
    guard: Guard,
    kind: Kind,
    handler: fn() -> ActixRoute,
) -> Route {
    Route { method, path, guard, kind, handler }
}

const fn get(path: &'static str, guard: Guard, kind: Kind, handler: fn() -> ActixRoute) -> Route {
    route("GET", path, guard, kind, handler)
}

const fn post(path: &'static str, guard: Guard, kind: Kind, handler: fn() -> ActixRoute) -> Route {
    route("POST", path, guard, kind, handler)
}

const fn put(path: &'static str, guard: Guard, kind: Kind, handler: fn() -> ActixRoute) -> Route {
    route("PUT", path, guard, kind, handler)
}

const fn patch(path: &'static str, guard: Guard, kind: Kind, handler: fn() -> ActixRoute) -> Route {
    route("PATCH", path, guard, kind, handler)
}

const fn delete(path: &'static str, guard: Guard, kind: Kind, handler: fn() -> ActixRoute) -> Route {
    route("DELETE", path, guard, kind, handler)
}

impl Route {
    fn build(self) -> ActixRoute {
        let Self { guard, kind, .. } = self;
        let method = match self.method {
            "GET" => guard::Any(guard::Get()).or(guard::Head()),
            other => guard::Any(guard::Method(Method::from_bytes(other.as_bytes()).unwrap_or_default())),
        };
        (self.handler)()
            .guard(method)
            .wrap(from_fn(move |request, next| once::keep(kind, request, next)))
            .wrap(from_fn(move |request, next| enforce(guard, request, next)))
            .wrap(from_fn(move |request, next| limits::keep(kind, request, next)))
    }
}

/// Registers the whole table: one resource a path, so that a wrong method is told apart from a wrong address.
pub fn configure(app: &mut ServiceConfig) {
    let mut order: Vec<&'static str> = Vec::new();
    let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in ROUTES {
        let routes = by_path.entry(route.path).or_default();
        if routes.is_empty() {
            order.push(route.path);
        }
        routes.push(*route);
    }
    for path in order {
        let routes = by_path.remove(path).unwrap_or_default();
        let allow = routes.iter().map(|route| route.method).collect::<Vec<_>>().join(", ");
        let resource = web::resource(path).default_service(to(move || {
            let allow = allow.clone();
            async move { wrong_method(&allow) }
        }));
        app.service(routes.into_iter().fold(resource, |resource, route| resource.route(route.build())));
    }
}

fn wrong_method(allow: &str) -> HttpResponse {
    let detail = format!("this address takes {allow} only");
    let mut response = HttpResponse::from_error(Error::new(ProblemCode::MethodNotAllowed, detail));
    if let Ok(value) = header::HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Whatever no route matches.
pub async fn nothing_here() -> HttpResponse {
    HttpResponse::from_error(Error::new(ProblemCode::NotFound, "there is nothing at this address"))
}
