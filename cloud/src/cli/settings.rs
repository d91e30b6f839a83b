//! `config check` and `config print`.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Subcommand;

use super::Place;
use crate::config::{Loaded, SETTINGS};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say whether the settings are right
    Check,
    /// Print the settings in force as TOML, ready to be a settings file
    Print {
        /// Hide secrets; the database's address cannot be read back then
        #[arg(long)]
        redact: bool,
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
    },
}

/// Runs the verb.
pub fn run(place: &Place, verb: &Verb) -> Result<()> {
    let loaded = place.load()?;
    match verb {
        Verb::Check => {
            println!("the settings are right; data folder {}", loaded.config.data_dir.display());
        }
        Verb::Print { redact, origin } => print!("{}", printed(&loaded, *redact, *origin)),
    }
    Ok(())
}

/// The settings as a file of settings; what has no value stands there as a comment.
fn printed(loaded: &Loaded, redact: bool, origin: bool) -> String {
    let mut text = format!("# data folder: {}\n", loaded.config.data_dir.display());
    let mut section = "";
    for setting in SETTINGS {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if own != section {
            // Writing into memory cannot fail.
            let _ = writeln!(text, "\n[{own}]");
            section = own;
        }
        let config = &loaded.config;
        let value = if redact { setting.redacted(config) } else { (setting.get)(config) };
        let from = loaded.origins.get(setting.key).filter(|_| origin);
        let comment = from.map(|from| format!("  # {from}")).unwrap_or_default();
        let _ = match value {
            Some(value) => writeln!(text, "{name} = {value}{comment}"),
            None => writeln!(text, "# {name} is not set{comment}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Flags, load};

    fn loaded(folder: &Path, more: &[(&'static str, &str)]) -> Loaded {
        let values = more.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        load(&Flags { data: Some(folder.into()), config: None, values }).unwrap()
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_settings() {
        for more in [
            &[][..],
            &[
                ("server.listen", "[::1]:1"),
                ("server.public_url", "https://farm.example.org/"),
                ("server.trusted_proxies", "10.0.0.0/8,::1"),
                ("database.url", "postgres://me:p%40\"ss@db.example.org/farm?sslmode=require"),
                ("limits.upload_bytes_max", "9223372036854775807"),
                ("log.level", "info,pictor_cloud=debug"),
                ("log.format", "json"),
                ("blobs.dir", "/srv/it's \"mine\""),
                ("blobs.url", "s3://bucket/farm"),
                ("blobs.endpoint", "http://127.0.0.1:9000/"),
                ("blobs.access_key_id", "AKIA"),
                ("blobs.secret_access_key", "s3cr/et+"),
            ][..],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let before = printed(&loaded(folder.path(), more), false, false);
            let with_origins = printed(&loaded(folder.path(), more), false, true);
            for text in [&before, &with_origins] {
                std::fs::write(folder.path().join("pictor.toml"), text).unwrap();
                let again = loaded(folder.path(), &[]);
                assert_eq!(printed(&again, false, false), before);
                assert!(again.origins["log.level"].ends_with("pictor.toml"));
            }
            assert!(
                before.contains("\nconnections = 8\n") && before.contains("\nsecure_cookies = "),
                "{before}"
            );
        }
    }

    #[test]
    fn secrets_are_hidden_and_origins_shown_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let more = [
            ("database.url", "postgres://me:hu@sh@db.example.org/farm?password=hush"),
            ("blobs.access_key_id", "hush"),
            ("blobs.secret_access_key", "hush"),
        ];
        let shown = printed(&loaded(folder.path(), &more), true, true);
        assert!(!shown.contains("hu@sh") && !shown.contains("hush"), "{shown}");
        assert!(shown.contains("secret_access_key = \"•••\"  # command line"), "{shown}");
        assert!(shown.contains("postgres://•••@db.example.org/farm?•••\"  # command line"), "{shown}");
        assert!(shown.contains("listen = \"127.0.0.1:7420\"  # default"), "{shown}");
        assert!(shown.contains("# public_url is not set  # default"), "{shown}");
    }
}
