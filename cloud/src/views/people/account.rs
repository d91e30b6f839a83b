//! The account: who you are, where you are signed in, and the API tokens.

use pictor_cloud_api::accounts::{Account, Session, Token};
use serde::Serialize;

use crate::views::View;
use crate::views::forms::{Field, FormErrors};
use crate::views::state::capital;

/// `/account`.
#[derive(Debug, Clone, Serialize)]
pub struct AccountPage {
    /// The account's id.
    pub id: String,
    /// E-mail address; not changeable here.
    pub email: String,
    /// Roles in words.
    pub roles: Vec<String>,
    /// Display name.
    pub name: Field,
    /// Wallet address.
    pub wallet_address: Field,
    /// The password in force, asked for again.
    pub password: Field,
    /// The new password.
    pub new_password: Field,
    /// Name of a token to make.
    pub token_name: Field,
    /// What was wrong with the form as a whole.
    pub error: Option<String>,
    /// A secret to show this once.
    pub fresh_token: Option<FreshToken>,
    /// Browsers signed in.
    pub sessions: Vec<SessionLine>,
    /// API tokens.
    pub tokens: Vec<TokenLine>,
}

/// A token's secret; it is in this answer and nowhere else.
#[derive(Debug, Clone, Serialize)]
pub struct FreshToken {
    /// What it is for.
    pub name: String,
    /// The secret.
    pub secret: String,
}

/// A signed-in browser.
#[derive(Debug, Clone, Serialize)]
pub struct SessionLine {
    /// The session.
    pub id: String,
    /// The browser, in words.
    pub browser: String,
    /// It is this one.
    pub is_current: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: String,
}

/// An API token.
#[derive(Debug, Clone, Serialize)]
pub struct TokenLine {
    /// The token.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
    /// RFC 3339.
    pub expires_at: Option<String>,
}

impl View for AccountPage {
    const TEMPLATE: &'static str = "pages/account";
}

impl AccountPage {
    /// The page of this account; `errors` are of a form that was just refused.
    #[must_use]
    pub fn new(account: &Account, sessions: Vec<Session>, tokens: Vec<Token>, errors: &FormErrors) -> Self {
        let empty = |name: &str| Field::default().with_error(name, errors);
        Self {
            id: account.id.clone(),
            email: account.email.clone(),
            roles: account.roles.iter().map(|role| capital(&role.replace('_', " "))).collect(),
            name: Field::of(&account.name).with_error("name", errors),
            wallet_address: Field::of(account.wallet_address.clone().unwrap_or_default())
                .with_error("wallet_address", errors),
            password: empty("password"),
            new_password: empty("new_password"),
            token_name: empty("token_name"),
            error: errors.whole.clone(),
            fresh_token: None,
            sessions: sessions.into_iter().map(SessionLine::from).collect(),
            tokens: tokens.into_iter().map(TokenLine::from).collect(),
        }
    }
}

impl From<Session> for SessionLine {
    fn from(session: Session) -> Self {
        Self {
            browser: browser_words(&session.user_agent),
            id: session.id,
            is_current: session.is_current,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
        }
    }
}

impl From<Token> for TokenLine {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.join(", "),
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
        }
    }
}

/// "Firefox on Linux", as far as the browser says; its own words where it is none of the well-known ones.
fn browser_words(user_agent: &str) -> String {
    // Order matters: each later one also names the earlier ones.
    let browser = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Firefox/", "Firefox"),
        ("Safari/", "Safari"),
    ];
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&browser), find(&system)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if user_agent.trim().is_empty() => "Unknown browser".to_owned(),
        _ => user_agent.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_in_words() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0 Safari/537.36";
        assert_eq!(browser_words(chrome), "Chrome on Linux");
        assert_eq!(browser_words(""), "Unknown browser");
        assert_eq!(browser_words("curl/8"), "curl/8");
    }
}
