//! Signing in and out, and the first account.

use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, http::header};
use pictor_cloud_api::problem::ProblemCode;
use serde::Deserialize;

use super::{form_errors, ok, own_path, refused, see, theme_of};
use crate::config::Secret;
use crate::http::guards::sign_in::{self, Credentials, FirstAccount};
use crate::http::guards::{MaybeSignedIn, SignedIn, clear_cookie, session_cookie};
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::views::Chrome;
use crate::views::forms::Field;
use crate::views::people::sign_in::{FirstSetUpPage, SignInPage};

/// Where to go after it.
#[derive(Debug, Deserialize)]
pub struct NextQuery {
    #[serde(default)]
    next: String,
}

/// The form.
#[derive(Deserialize)]
pub struct SignInForm {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The first account.
#[derive(Deserialize)]
pub struct SetUpForm {
    email: String,
    name: String,
    password: String,
}

fn plain(request: &HttpRequest, title: &str) -> Chrome {
    Chrome::plain(title, theme_of(request)).with_path(request.uri().path())
}

/// `GET /sign-in`.
pub async fn page(
    request: HttpRequest,
    caller: MaybeSignedIn,
    state: Data<AppState>,
    query: Query<NextQuery>,
) -> Answer<HttpResponse> {
    if caller.0.is_some() {
        return Ok(see(own_path(&query.next)));
    }
    let needs_set_up = state.store.count_accounts().await? == 0;
    let view = SignInPage { next: query.next.clone(), needs_set_up, ..SignInPage::default() };
    ok(&state, &plain(&request, "Sign in"), &view)
}

/// `POST /sign-in`.
pub async fn submit(
    request: HttpRequest,
    state: Data<AppState>,
    form: Form<SignInForm>,
) -> Answer<HttpResponse> {
    let credentials = Credentials { email: &form.email, password: &form.password };
    match sign_in::sign_in(&state, &request, &credentials).await {
        Ok((_, secret)) => Ok(entered(&state, &request, &secret, own_path(&form.next))),
        Err(error) => {
            let Some(errors) = form_errors(&error) else { return Err(error) };
            let view = SignInPage {
                email: Field::of(&form.email),
                next: form.next.clone(),
                error: Some(errors.whole.unwrap_or_else(|| error.detail().to_owned())),
                needs_set_up: false,
            };
            refused(&state, &error, &plain(&request, "Sign in"), &view)
        }
    }
}

fn entered(state: &AppState, request: &HttpRequest, secret: &Secret, path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .cookie(session_cookie(state.is_secure(request), secret))
        .finish()
}

/// `POST /sign-out`.
pub async fn leave(request: HttpRequest, caller: SignedIn, state: Data<AppState>) -> Answer<HttpResponse> {
    sign_in::sign_out(&state, &caller).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/sign-in"))
        .cookie(clear_cookie(state.is_secure(&request)))
        .finish())
}

/// `GET /set-up/{token}`.
pub async fn set_up_page(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
) -> Answer<HttpResponse> {
    if !sign_in::set_up_is_open(&state, &token).await? {
        let detail = "this set-up address was used, is too old, or an account exists: sign in instead";
        return Err(Error::new(ProblemCode::NotFound, detail));
    }
    let view = FirstSetUpPage { action: request.uri().path().to_owned(), ..FirstSetUpPage::default() };
    ok(&state, &plain(&request, "Set up"), &view)
}

/// `POST /set-up/{token}`.
pub async fn set_up(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    form: Form<SetUpForm>,
) -> Answer<HttpResponse> {
    let first = FirstAccount { email: &form.email, name: &form.name, password: &form.password };
    match sign_in::set_up(&state, &request, &token, &first).await {
        Ok((_, secret)) => Ok(entered(&state, &request, &secret, "/workers")),
        Err(error) => {
            let Some(errors) = form_errors(&error) else { return Err(error) };
            let view = FirstSetUpPage {
                action: request.uri().path().to_owned(),
                email: Field::of(&form.email).with_error("email", &errors),
                name: Field::of(&form.name).with_error("name", &errors),
                password: Field::default().with_error("password", &errors),
                error: errors.whole,
            };
            refused(&state, &error, &plain(&request, "Set up"), &view)
        }
    }
}
