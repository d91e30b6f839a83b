//! `admin`: what an operator or a script does without the dashboard. Works on the database directly, so it
//! needs the same `--data`/`--database` as `serve`, and nobody's permission but the machine's.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use pictor_actors::ids::{AccountId, TokenId, WorkerId};
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::plan::check_name;
use url::Url;

use super::Place;
use crate::config::Config;
use crate::http::guards::{Scope, passwords, sign_in};
use crate::store::{AccountRow, NewAccount, NewWorkerRow, PageRequest, Role, Store, TokenRow};
use crate::{boot, enrolment, secrets};

/// Passwords above this are refused before they are read whole.
const PASSWORD_BYTES_MAX: u64 = 1024;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Accounts
    Account {
        #[command(subcommand)]
        verb: AccountVerb,
    },
    /// API tokens
    Token {
        #[command(subcommand)]
        verb: TokenVerb,
    },
    /// Workers
    Worker {
        #[command(subcommand)]
        verb: WorkerVerb,
    },
    /// Print a fresh one-time address for the first account
    SetUp,
}

#[derive(Debug, Subcommand)]
pub enum AccountVerb {
    /// Make an account
    Create {
        /// E-mail address to sign in with
        #[arg(long)]
        email: String,
        /// Display name
        #[arg(long)]
        name: String,
        /// provider, creator, operator or release_manager; may be given several times
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List accounts
    List,
}

#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make an API token and print it, alone, on standard output
    Create {
        /// The account's e-mail address
        #[arg(long)]
        email: String,
        /// all, jobs, workers or read; may be given several times
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// What it is for
        #[arg(long, default_value = "made by admin")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum WorkerVerb {
    /// Make a worker and save its one-time configuration file
    Create {
        /// E-mail address of the account it belongs to
        #[arg(long)]
        email: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// Where to save the file
        #[arg(long)]
        out: PathBuf,
        /// Address under which the worker reaches the cloud; the running cloud's own unless given
        #[arg(long)]
        cloud: Option<Url>,
    },
    /// List an account's workers
    List {
        /// E-mail address of the account
        #[arg(long)]
        email: String,
    },
}

/// Runs the verb.
pub async fn run(place: &Place, verb: Verb) -> Result<()> {
    let (store, config) = open(place).await?;
    match verb {
        Verb::Account { verb: AccountVerb::Create { email, name, roles, .. } } => {
            create_account(&store, &email, &name, roles).await
        }
        Verb::Account { verb: AccountVerb::List } => list_accounts(&store).await,
        Verb::Token { verb: TokenVerb::Create { email, scopes, name } } => {
            create_token(&store, &email, &scopes, name).await
        }
        Verb::Worker { verb: WorkerVerb::Create { email, name, out, cloud } } => {
            create_worker(&store, &config, &email, &name, &out, cloud).await
        }
        Verb::Worker { verb: WorkerVerb::List { email } } => {
            let account = account(&store, &email).await?;
            for worker in store.all_workers_of(account.id).await? {
                println!("{}  {}", worker.id, worker.name);
            }
            Ok(())
        }
        Verb::SetUp => {
            if store.count_accounts().await? > 0 {
                bail!("there is an account already: sign in, or make another with `admin account create`");
            }
            let path = boot::fresh_set_up_path(&store, &SystemClock).await?;
            println!("{}{path}", cloud_address(&config, None)?.as_str().trim_end_matches('/'));
            Ok(())
        }
    }
}

async fn open(place: &Place) -> Result<(Store, Config)> {
    let config = place.load()?.config;
    boot::private_folder(&config.data_dir)?;
    Ok((Store::open(&config.database).await.context("cannot open the database")?, config))
}

fn now() -> UnixMillis {
    SystemClock.now().wall
}

async fn account(store: &Store, email: &str) -> Result<AccountRow> {
    let found = store.account_by_email(&email.trim().to_lowercase()).await?;
    found.with_context(|| format!("there is no account with the e-mail address {email}"))
}

async fn create_account(store: &Store, email: &str, name: &str, roles: Vec<Role>) -> Result<()> {
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
    let new = NewAccount {
        id: AccountId::generate(),
        email,
        name,
        roles,
        password_hash: Some(secrets::hash_password(password)?),
    };
    let account = store.create_account(&new, now()).await?;
    println!("{}", account.id);
    Ok(())
}

async fn list_accounts(store: &Store) -> Result<()> {
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

async fn create_token(store: &Store, email: &str, scopes: &[String], name: String) -> Result<()> {
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

async fn create_worker(
    store: &Store,
    config: &Config,
    email: &str,
    name: &str,
    out: &Path,
    cloud: Option<Url>,
) -> Result<()> {
    let account = account(store, email).await?;
    let address = cloud_address(config, cloud)?;
    let name = check_name(name).map_err(|problem| anyhow::anyhow!("that name will not do: {problem}"))?;
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: account.id, name: name.clone() };
    // Opened first: a worker without its file would only stand in the way of the next try.
    let mut file = open_private(out).with_context(|| format!("cannot write {}", out.display()))?;
    let worker = store.create_worker(&new, now()).await?;
    let fresh = enrolment::fresh_configuration(store, worker.id, &name, &address, now()).await?;
    let written = file.set_len(0).and_then(|()| file.write_all(fresh.content.as_bytes()));
    written.with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}", worker.id);
    Ok(())
}

/// Where the worker shall find the cloud: as said, as configured, where the running one listens, or where one
/// will.
fn cloud_address(config: &Config, said: Option<Url>) -> Result<Url> {
    if let Some(url) = said.or_else(|| config.server.public_url.clone()) {
        return Ok(url);
    }
    let running = boot::running_address(&config.data_dir);
    let text = running.unwrap_or_else(|| format!("http://{}", config.server.listen));
    text.parse().with_context(|| format!("{text} is not an address: say --cloud http://…"))
}

/// For the owner's eyes only from the first byte on: the file holds a secret.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // What is there stays until there is something to put in its place.
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
