//! Accounts and API tokens from the command line. What may stand in them is decided where the API decides it;
//! here it is read, made and printed.

use std::io::Read as _;

use anyhow::{Context, Result, bail};
use pictor_actors::ids::{AccountId, TokenId};
use pictor_cloud_domain::job::plan::check_name;

use super::{account, now};
use crate::http::guards::{Scope, passwords, sign_in};
use crate::secrets;
use crate::store::{NewAccount, PageRequest, Role, Store, TokenRow};

/// Passwords above this are refused before they are read whole.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// An account to make, with the password that stands on standard input.
pub(super) fn checked(email: &str, name: &str, roles: Vec<Role>) -> Result<NewAccount> {
    let mut password = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut password)
        .context("the password cannot be read")?;
    let password = password.trim_end_matches(['\r', '\n']);
    if let Some(objection) = passwords::objection(password) {
        bail!("that password will not do: {objection}");
    }
    let email = email.trim().to_lowercase();
    if let Some(objection) = sign_in::email_objection(&email) {
        bail!("{email} will not do: {objection}");
    }
    let name = check_name(name).map_err(|problem| anyhow::anyhow!("that name will not do: {problem}"))?;
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
pub(super) async fn create_token(store: &Store, email: &str, scopes: &[String], name: String) -> Result<()> {
    let account = account(store, email).await?;
    if let Some(unknown) = scopes.iter().find(|scope| Scope::parse(scope).is_none()) {
        bail!("{unknown} is not a scope: all, jobs, workers or read");
    }
    let (secret, secret_hash) = secrets::new_secret("pct_")?;
    let token = TokenRow {
        id: TokenId::generate(),
        account_id: account.id,
        name,
        secret_hash,
        scopes: scopes.join(","),
        created_at: now(),
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
    };
    store.create_token(&token).await?;
    println!("{secret}");
    Ok(())
}
