//! `audit`: whether this farm keeps its promises. Read-only, also beside a cloud that runs.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use pictor_actors::now::{Clock, SystemClock};
use serde_json::{Value, json};

use super::Place;
use crate::blobs;
use crate::store::{Checked, Store};
use crate::upkeep::audit::{Depth, audit};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Read every blob too, and compare it with its hash
    #[arg(long)]
    deep: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Looks, prints, and fails where a promise is broken.
pub async fn run(place: &Place, arguments: &Arguments) -> Result<()> {
    let config = place.load()?.config;
    let store = Store::open_to_read(&config.database).await.context("cannot open the database")?;
    let blobs = blobs::open_to_read(&config.blobs).await.context("cannot open the folder of blobs")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let depth = if arguments.deep { Depth::Bytes } else { Depth::Names };
    let checked = audit(&store, &*blobs, clock, depth).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&checked))?);
    } else {
        checked.iter().for_each(print);
    }
    let broken: Vec<&str> = checked.iter().filter(|one| one.violations > 0).map(|one| one.id).collect();
    if !broken.is_empty() {
        bail!("{} of {} promises are broken: {}", broken.len(), checked.len(), broken.join(", "));
    }
    if !arguments.json {
        println!("all {} promises hold", checked.len());
    }
    Ok(())
}

fn print(checked: &Checked) {
    let Checked { id, promise, violations, rows, took } = checked;
    let verdict = if *violations == 0 { "holds".to_owned() } else { format!("BROKEN {violations} times") };
    println!("{id:<7} {verdict:<6}  {promise} ({} ms)", took.0);
    for row in rows {
        println!("          {row}");
    }
    let untold = violations.saturating_sub(rows.len() as u64);
    if untold > 0 {
        println!("          and {untold} more");
    }
}

fn as_json(checked: &[Checked]) -> Value {
    let promises: Vec<Value> = checked
        .iter()
        .map(|one| {
            json!({
                "id": one.id,
                "promise": one.promise,
                "violations": one.violations,
                "rows": one.rows,
                "took_ms": one.took.0,
            })
        })
        .collect();
    json!({ "clean": checked.iter().all(|one| one.violations == 0), "promises": promises })
}
