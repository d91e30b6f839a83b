//! Copies of SQLite's database, for backups: made while the cloud writes, put in order, looked through.

use std::path::Path;
use std::str::FromStr as _;

use pictor_actors::units::BlobHash;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::session::not_done;
use super::{args, row};
use crate::config::DatabaseConfig;
use crate::store::error::Result;
use crate::store::{Store, StoreError};

row! {
    /// A line of SQLite's own look at a file: `ok`, or what is wrong.
    pub struct Line {
        /// It.
        pub integrity_check: String,
    }
}

impl Store {
    /// Writes the database, as it is at one moment, into a file that is not there yet. Writers go on
    /// meanwhile.
    pub async fn copy_into(&self, file: &Path) -> Result<()> {
        let name = file.to_str().ok_or_else(|| StoreError::Unavailable("the path is no text".into()))?;
        self.reader().await?.run("VACUUM INTO $1", args![name]).await.map(|_| ())
    }

    /// Takes out of a copy what it cannot stand for: uploads under way, whose parts are not copied, and these
    /// blobs, which nothing used and whose bytes are gone.
    pub async fn forget_in_copy(copy: &DatabaseConfig, blobs: &[BlobHash]) -> Result<()> {
        let options = SqliteConnectOptions::from_str(copy.url.expose()).map_err(not_done)?;
        let mut connection = options.foreign_keys(true).connect().await.map_err(not_done)?;
        for text in [
            "DELETE FROM upload_parts WHERE upload_id IN (SELECT id FROM uploads WHERE state <> 'complete')",
            "DELETE FROM uploads WHERE state <> 'complete'",
        ] {
            sqlx::query(text).execute(&mut connection).await.map_err(not_done)?;
        }
        for hash in blobs {
            for text in [
                "DELETE FROM manifest_files WHERE manifest = $1",
                "DELETE FROM blob_owners WHERE hash = $1",
                "DELETE FROM blobs WHERE hash = $1",
            ] {
                let bound = sqlx::query(text).bind(hash.to_string());
                bound.execute(&mut connection).await.map_err(not_done)?;
            }
        }
        sqlx::Connection::close(connection).await.map_err(not_done)
    }

    /// What SQLite itself finds wrong with the file, in its words.
    pub async fn damages(&self) -> Result<Vec<String>> {
        let lines: Vec<Line> = self.all("PRAGMA integrity_check(20)", vec![]).await?;
        Ok(lines.into_iter().map(|line| line.integrity_check).filter(|line| line != "ok").collect())
    }
}
