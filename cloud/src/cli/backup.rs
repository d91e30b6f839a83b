//! `backup`: makes, looks through and restores backups of a farm in the built-in database.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::units::UnixMillis;

use super::Place;
use crate::upkeep::backup::{create, restore, verify};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a backup; the cloud may run meanwhile
    Create {
        /// Folder of all backups; each blob is brought into it once
        #[arg(long)]
        to: PathBuf,
    },
    /// Read a whole backup and tell whether it is sound
    Verify {
        /// Folder of all backups
        folder: PathBuf,
        /// Name of the backup; the newest unless given
        #[arg(long)]
        name: Option<String>,
    },
    /// Restore a backup into a data folder that is empty or not there
    Restore {
        /// Folder of all backups
        folder: PathBuf,
        /// Name of the backup; the newest unless given
        #[arg(long)]
        name: Option<String>,
    },
}

/// Runs the verb.
pub async fn run(place: &Place, verb: Verb) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match verb {
        Verb::Create { to } => {
            let made = create(&place.load()?.config, &to, clock).await?;
            println!(
                "backup {} made: a database of {} and {} blobs, {} of them new ({})",
                made.name,
                mib(made.database_bytes),
                made.blobs,
                made.new_blobs,
                mib(made.new_bytes)
            );
        }
        Verb::Verify { folder, name } => {
            let sound = verify(&folder, name.as_deref(), clock).await?;
            println!(
                "backup {} of {} is sound: its database is whole and keeps its promises, {} blobs ({}) hold \
                 their bytes",
                sound.name,
                time(sound.made_at),
                sound.blobs,
                mib(sound.bytes)
            );
        }
        Verb::Restore { folder, name } => {
            let restored = restore(&place.load()?.config, &folder, name.as_deref(), clock).await?;
            println!(
                "backup {} of {} restored into {}: {} blobs ({}); `pictor-cloud serve` goes on from that \
                 moment, and frames that were accepted after it are rendered again",
                restored.backup.name,
                time(restored.backup.made_at),
                restored.data_dir.display(),
                restored.backup.blobs,
                mib(restored.backup.bytes)
            );
        }
    }
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn time(moment: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(moment.0)
        .map_or_else(|_| "an unknown time".to_owned(), |at| at.to_string())
}
