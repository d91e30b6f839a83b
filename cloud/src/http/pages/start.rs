//! The way in: where `/` leads, and the theme.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Deserialize;

use super::{own_path, see};
use crate::http::guards::SignedIn;
use crate::http::state::AppState;
use crate::store::Role;
use crate::views::chrome::Theme;

/// `GET /`: to what this person does.
pub async fn home(caller: SignedIn) -> HttpResponse {
    let lends = caller.account.roles.contains(&Role::Provider);
    see(if lends { "/workers" } else { "/jobs" })
}

/// The theme switch.
#[derive(Debug, Deserialize)]
pub struct ThemeForm {
    theme: String,
    #[serde(default)]
    back: String,
}

/// `POST /theme`: keeps the choice in a cookie, so that the next page's first byte is right.
pub async fn theme(request: HttpRequest, state: Data<AppState>, form: Form<ThemeForm>) -> HttpResponse {
    let cookie = Cookie::build(Theme::COOKIE, Theme::from_text(&form.theme).text())
        .path("/")
        .secure(state.is_secure(&request))
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    HttpResponse::SeeOther().insert_header((header::LOCATION, own_path(&form.back))).cookie(cookie).finish()
}
