//! Keeping an API token.

use std::io::{BufRead, IsTerminal};

use pictor_cloud_api::accounts::Account;

use crate::client::Client;
use crate::error::{Failure, Kind};
use crate::settings::{self, Settings};

/// Takes a token (from `--token`, the terminal without echo, or standard input), tries it and keeps it.
pub async fn login(url: Option<&str>, token: Option<&str>) -> Result<(), Failure> {
    let kept = settings::load()?;
    let url = url.map(str::to_owned).or(kept.url).ok_or_else(|| {
        Failure::new(Kind::Usage, "which cloud? say `pictor login --url http://…` or set PICTOR_URL")
    })?;
    let token = match token {
        Some(token) => token.to_owned(),
        None => ask(&url)?,
    };
    let client = Client::new(&url, &token)?;
    let account: Account = client.get("account").await?;
    let path = settings::save(&Settings { url: Some(url), token: Some(token) })?;
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
pub fn logout() -> Result<(), Failure> {
    let kept = settings::load()?;
    settings::save(&Settings { token: None, ..kept })?;
    println!("the token is forgotten here; revoke it on the account's page if nobody shall use it any more");
    Ok(())
}
