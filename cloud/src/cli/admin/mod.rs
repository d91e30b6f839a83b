//! `admin`: what an operator or a script does without the dashboard. Works on the database directly, so it
//! needs the same `--data`/`--database` as `serve`, and nobody's permission but the machine's.
//!
//! A verb works on a cloud that is there. Only those that a cloud can begin with, `account create` and
//! `set-up`, make its database where there is none, and say so.

mod accounts;
mod private_file;
mod workers;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::job::plan::check_name;
use url::Url;

use super::Place;
use crate::boot::{self, EVERY_INTERFACE};
use crate::config::Config;
use crate::config::address::{is_wildcard, on_this_machine};
use crate::store::{AccountRow, Role, Store};

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
    let config = place.load()?.config;
    match verb {
        Verb::Account { verb: AccountVerb::Create { email, name, roles, .. } } => {
            // Before anything is opened: what is refused makes no database.
            let new = accounts::checked(&email, &name, roles)?;
            accounts::create(&open_or_begin(&config).await?, &new).await
        }
        Verb::Account { verb: AccountVerb::List } => accounts::list(&open(&config).await?).await,
        Verb::Token { verb: TokenVerb::Create { email, scopes, name } } => {
            accounts::create_token(&open(&config).await?, &email, &scopes, &name).await
        }
        Verb::Worker { verb: WorkerVerb::Create { email, name, out, cloud } } => {
            workers::create(&open(&config).await?, &config, &email, &name, &out, cloud).await
        }
        Verb::Worker { verb: WorkerVerb::List { email } } => {
            workers::list(&open(&config).await?, &email).await
        }
        Verb::SetUp => set_up(&config).await,
    }
}

/// Prints a set-up address that this machine can call.
async fn set_up(config: &Config) -> Result<()> {
    let store = open_or_begin(config).await?;
    if store.count_accounts().await? > 0 {
        bail!("there is an account already: sign in, or make another with `admin account create`");
    }
    let path = boot::fresh_set_up_path(&store, &SystemClock).await?;
    let address = workers::cloud_address(config, None)?;
    if is_wildcard(&address) {
        eprintln!("pictor-cloud: {EVERY_INTERFACE}");
    }
    println!("{}{path}", on_this_machine(address).as_str().trim_end_matches('/'));
    Ok(())
}

/// The store of a cloud that is there.
async fn open(config: &Config) -> Result<Store> {
    if !is_there(config).await? {
        bail!(
            "no cloud's data in {}: there is no database {}; say --data (and --database or --config) as for \
             `pictor-cloud serve`, or begin a cloud there with `serve` or `admin account create`",
            config.data_dir.display(),
            config.database.shown(),
        );
    }
    Store::open(&config.database).await.context("cannot open the database")
}

/// The same, made where there is none.
async fn open_or_begin(config: &Config) -> Result<Store> {
    if !is_there(config).await? {
        boot::private_folder(&config.data_dir)?;
        eprintln!(
            "pictor-cloud: no cloud's data in {}: beginning a new cloud there",
            config.data_dir.display()
        );
    }
    Store::open(&config.database).await.context("cannot open the database")
}

async fn is_there(config: &Config) -> Result<bool> {
    Store::is_there(&config.database).await.context("cannot open the database")
}

fn now() -> UnixMillis {
    SystemClock.now().wall
}

async fn account(store: &Store, email: &str) -> Result<AccountRow> {
    let found = store.account_by_email(&email.trim().to_lowercase()).await?;
    found.with_context(|| format!("there is no account with the e-mail address {email}"))
}

/// The name of an account, a token or a worker, within the bounds that the API keeps too.
fn checked_name(name: &str) -> Result<String> {
    check_name(name).map_err(|problem| anyhow!("that name will not do: {problem}"))
}
