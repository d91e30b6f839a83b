//! Signing in, and making the first account against the one-time set-up address.

use serde::Serialize;

use crate::views::View;
use crate::views::forms::Field;

/// `/sign-in`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignInPage {
    /// E-mail address.
    pub email: Field,
    /// Where to go after it, a path of this cloud.
    pub next: String,
    /// Why the last try was refused.
    pub error: Option<String>,
    /// No account exists: the way in is the set-up address in the log.
    pub needs_set_up: bool,
}

impl View for SignInPage {
    const TEMPLATE: &'static str = "pages/sign_in";
}

/// `/set-up/{token}`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FirstSetUpPage {
    /// Where the form goes: the address itself.
    pub action: String,
    /// E-mail address.
    pub email: Field,
    /// Display name.
    pub name: Field,
    /// Password; its value is never shown again.
    pub password: Field,
    /// Why the last try was refused.
    pub error: Option<String>,
}

impl View for FirstSetUpPage {
    const TEMPLATE: &'static str = "pages/first_set_up";
}
