//! Pages: a request becomes rows, rows become a view model, the model becomes a document.
//!
//! Handlers here hold no rules and no SQL. Whatever changes something is a form that answers with a redirect,
//! so that every page works without scripts.

pub mod account;
pub mod job;
pub mod jobs;
pub mod live;
pub mod send_file;
pub mod set_up;
pub mod sign_in;
pub mod start;
pub mod submit;
pub mod worker;
pub mod workers;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use pictor_cloud_api::problem::ProblemCode;

use super::guards::SignedIn;
use super::problem::{Answer, Error};
use super::state::AppState;
use crate::store::Role;
use crate::views::chrome::{Crumb, NavEntry, Notice, Theme, Viewer};
use crate::views::forms::FormErrors;
use crate::views::state::capital;
use crate::views::{Chrome, View};

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Workers,
    Jobs,
    Account,
}

/// The theme that the browser's cookie asks for.
#[must_use]
pub fn theme_of(request: &HttpRequest) -> Theme {
    request.cookie(Theme::COOKIE).map(|cookie| Theme::from_text(cookie.value())).unwrap_or_default()
}

fn chrome(request: &HttpRequest, caller: &SignedIn, place: Place, title: &str) -> Chrome {
    let account = &caller.account;
    let entry = |label, href, glyph, of| NavEntry { label, href, glyph, is_current: place == of };
    Chrome {
        theme: theme_of(request),
        path: request.uri().path().to_owned(),
        form_token: caller.form_token().to_owned(),
        nav: vec![
            entry("Workers", "/workers", "server", Place::Workers),
            entry("Jobs", "/jobs", "jobs", Place::Jobs),
        ],
        viewer: Some(Viewer {
            name: account.name.clone(),
            email: account.email.clone(),
            initial: account.name.chars().take(1).collect(),
        }),
        notice: notice_of(request.query_string()),
        ..Chrome::plain(title, theme_of(request))
    }
    .with_path(request.uri().path())
}

fn crumb(label: impl Into<String>, href: impl Into<String>) -> Crumb {
    Crumb { label: label.into(), href: href.into() }
}

fn show<V: View>(state: &AppState, status: StatusCode, chrome: &Chrome, view: &V) -> Answer<HttpResponse> {
    let body = state.views.page(chrome, view).map_err(Error::internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body))
}

fn ok<V: View>(state: &AppState, chrome: &Chrome, view: &V) -> Answer<HttpResponse> {
    show(state, StatusCode::OK, chrome, view)
}

fn refused<V: View>(state: &AppState, error: &Error, chrome: &Chrome, view: &V) -> Answer<HttpResponse> {
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    show(state, status, chrome, view)
}

fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A path of this cloud, never another host's: what a form says to go back to.
fn own_path(text: &str) -> &str {
    let is_own = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { text } else { "/" }
}

/// Where the settings of an uploaded file are chosen.
fn address_of_file(blake3: &str) -> String {
    format!("/jobs/new?file={blake3}")
}

/// Back to where the form stood, with a word about what was done.
fn back(path: &str, done: &str) -> HttpResponse {
    let path = own_path(path).split(['?', '#']).next().unwrap_or("/");
    see(&format!("{path}?done={done}"))
}

const DONE: [(&str, &str); 13] = [
    ("paused", "Paused. Frames in hand are finished first."),
    ("resumed", "It goes on."),
    ("renamed", "The new name is saved."),
    ("removed", "The worker is removed."),
    ("saved", "Your changes are saved."),
    ("password", "The password is changed. Other browsers are signed out."),
    ("ended", "That browser is signed out."),
    ("revoked", "The token is revoked."),
    ("priority", "The priority is set."),
    ("cancelled", "The job is cancelled. Its finished frames stay."),
    ("retried", "What failed is tried again."),
    ("submitted", "The job is submitted."),
    ("created", "The worker is created."),
];

fn notice_of(query: &str) -> Option<Notice> {
    let (_, done) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done")?;
    let (_, text) = DONE.iter().find(|(key, _)| *key == done)?;
    Some(Notice { tone: "ok", glyph: "check-circle", text: (*text).to_owned() })
}

/// What an error says about a form; errors that are not about what was typed go on as they are.
fn form_errors(error: &Error) -> Option<FormErrors> {
    let is_typed = matches!(
        error.code(),
        ProblemCode::InvalidInput
            | ProblemCode::NameTaken
            | ProblemCode::WrongCredentials
            | ProblemCode::Conflict
            | ProblemCode::MainNeeded
            | ProblemCode::RateLimited
    );
    let fields: std::collections::BTreeMap<_, _> =
        error.wrong_fields().iter().map(|one| (one.field.clone(), capital(&one.message))).collect();
    let whole = fields.is_empty().then(|| capital(error.detail()));
    is_typed.then_some(FormErrors { whole, fields })
}

fn needs_role(caller: &SignedIn, role: Role) -> Answer<()> {
    if caller.account.roles.contains(&role) {
        return Ok(());
    }
    let detail = format!("this account lacks the role {role}: ask the operator for it");
    Err(Error::new(ProblemCode::NotAllowed, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_this_cloud_only() {
        for bad in ["//evil.example", "https://evil.example", "/\\evil", "javascript:x", "", "/a\nb"] {
            assert_eq!(own_path(bad), "/", "{bad}");
        }
        assert_eq!(own_path("/workers?q=a"), "/workers?q=a");
    }
}
