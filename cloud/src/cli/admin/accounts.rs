//! Accounts and API tokens from the command line. What may stand in them is decided where the API decides it;
//! here it is read, made and printed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read as _;

use anyhow::{Context, Result, bail};
use pictor_actors::ids::{AccountId, TokenId};

use super::{account, checked_name, now};
use crate::http::guards::{Scope, TOKEN_PREFIX, passwords, sign_in};
use crate::secrets;
use crate::store::{NewAccount, PageRequest, Role, Store, TokenRow};

/// So much of standard input is read: more than the longest password, so that a longer one is seen to be too
/// long and not cut.
const INPUT_BYTES_MAX: u64 = 1024;

/// An account to make, with the password that stands on standard input.
pub(super) fn checked(email: &str, name: &str, roles: Vec<Role>) -> Result<NewAccount> {
    let mut input = Vec::new();
    let reading = std::io::stdin().take(INPUT_BYTES_MAX).read_to_end(&mut input);
    reading.context("the password cannot be read")?;
    let text = String::from_utf8_lossy(&input);
    let password = text.trim_end_matches(['\r', '\n']);
    if let Some(objection) = passwords::objection(password) {
        bail!("that password will not do: {objection}");
    }
    if matches!(text, Cow::Owned(_)) {
        bail!("that password will not do: it is not UTF-8 text");
    }
    let email = email.trim().to_lowercase();
    if let Some(objection) = sign_in::email_objection(&email) {
        bail!("{email} will not do: {objection}");
    }
    let name = checked_name(name)?;
    Ok(NewAccount {
        id: AccountId::generate(),
        email,
        name,
        roles,
        password_hash: Some(secrets::hash_password(password)?),
    })
}

/// Makes it and prints its id.
pub(super) async fn create(store: &Store, new: &NewAccount) -> Result<()> {
    let account = store.create_account(new, now()).await?;
    println!("{}", account.id);
    Ok(())
}

/// Prints all, one a line.
pub(super) async fn list(store: &Store) -> Result<()> {
    let mut page = PageRequest { limit: 200, cursor: None };
    loop {
        let rows = store.list_accounts(&page).await?;
        for account in rows.rows {
            let roles: Vec<_> = account.roles.iter().map(|role| role.as_str()).collect();
            println!("{}  {}  {}  {}", account.id, account.email, account.name, roles.join(","));
        }
        match rows.next {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}

/// Makes a token and prints it, alone.
pub(super) async fn create_token(store: &Store, email: &str, scopes: &[String], name: &str) -> Result<()> {
    let account = account(store, email).await?;
    let name = checked_name(name)?;
    let known = |text: &String| {
        Scope::parse(text).with_context(|| format!("{text} is not a scope: all, jobs, workers or read"))
    };
    let scopes: BTreeSet<Scope> = scopes.iter().map(known).collect::<Result<_>>()?;
    let (secret, secret_hash) = secrets::new_secret(TOKEN_PREFIX)?;
    let token = TokenRow {
        id: TokenId::generate(),
        account_id: account.id,
        name,
        secret_hash,
        scopes: scopes.into_iter().map(Scope::text).collect::<Vec<_>>().join(","),
        created_at: now(),
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
    };
    store.create_token(&token).await?;
    println!("{secret}");
    Ok(())
}
