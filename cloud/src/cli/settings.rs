//! `config check` and `config print`.

use anyhow::Result;
use clap::Subcommand;

use super::Place;
use crate::config::SETTINGS;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say whether the settings are right
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print the settings in force as TOML
    Print {
        #[command(flatten)]
        place: Place,
        /// Hide secrets
        #[arg(long)]
        redact: bool,
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
    },
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Check { place } => {
            let loaded = place.load(Vec::new())?;
            println!("the settings are right; data folder {}", loaded.config.data_dir.display());
        }
        Verb::Print { place, redact, origin } => {
            let loaded = place.load(Vec::new())?;
            println!("# data folder: {}", loaded.config.data_dir.display());
            let mut section = "";
            for setting in SETTINGS {
                let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
                if own != section {
                    println!("\n[{own}]");
                    section = own;
                }
                let value = if setting.is_secret && *redact {
                    "•••".into()
                } else {
                    (setting.get)(&loaded.config)
                };
                let from = loaded.origins.get(setting.key).filter(|_| *origin);
                let comment = from.map(|from| format!("  # {from}")).unwrap_or_default();
                println!("{name} = {}{comment}", toml::Value::String(value));
            }
        }
    }
    Ok(())
}
