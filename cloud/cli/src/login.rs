//! Keeping an API token.

use std::io::{BufRead, IsTerminal};

use pictor_cloud_api::accounts::Account;
use serde_json::json;

use crate::client::{Client, Token};
use crate::error::{Failure, Kind};
use crate::settings::{self, Settings};
use crate::show;

/// Takes a token (from `--token`, the terminal without echo, or standard input), tries it and keeps it.
pub async fn login(url: Option<&str>, token: Option<&str>, is_json: bool) -> Result<(), Failure> {
    let kept = settings::load()?;
    let url = url.map(str::to_owned).or(kept.url).ok_or_else(|| {
        Failure::new(Kind::Usage, "which cloud? say `pictor login --url http://…` or set PICTOR_URL")
    })?;
    let token = match token {
        Some(token) => Token::given(token),
        None => Token::typed(ask(&url)?),
    };
    let secret = token.secret().to_owned();
    let client = Client::new(&url, token)?;
    let account: Account = client.get("account").await?;
    let path = settings::save(&Settings { url: Some(url.clone()), token: Some(secret) })?;
    if is_json {
        return show::json(&json!({
            "is_signed_in": true,
            "url": url,
            "account": { "id": account.id, "name": account.name, "email": account.email },
            "kept_in": path,
        }));
    }
    println!("signed in as {} <{}>; kept in {}", account.name, account.email, path.display());
    Ok(())
}

fn ask(url: &str) -> Result<String, Failure> {
    let token = if std::io::stdin().is_terminal() {
        eprintln!("Create an API token at {}/account and paste it here.", url.trim_end_matches('/'));
        rpassword::prompt_password("Token: ")?
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        line
    };
    let token = token.trim().to_owned();
    if token.is_empty() {
        return Err(Failure::new(Kind::Usage, "no token was given"));
    }
    Ok(token)
}

/// Forgets the kept token; it stays valid until it is revoked on the account's page.
pub fn logout(is_json: bool) -> Result<(), Failure> {
    let kept = settings::load()?;
    let (url, had_token) = (kept.url.clone(), kept.token.is_some());
    let path = settings::save(&Settings { token: None, ..kept })?;
    if is_json {
        let told = json!({ "is_signed_in": false, "had_token": had_token, "url": url, "kept_in": path });
        return show::json(&told);
    }
    if !had_token {
        println!("no token was kept here");
        return Ok(());
    }
    println!("the token is forgotten here; revoke it on the account's page if nobody shall use it any more");
    Ok(())
}
