//! Which blobs there are, whose, and what refers to them.
//!
//! A blob is referred to by a frame, a job (its source and its inputs), an upload (its bytes and the list of
//! its files) and by a manifest that names it. One that is not, and that nobody has brought for a while, can
//! be removed: first its row, in a transaction that looks again, then its file.

use std::collections::BTreeMap;

use pictor_actors::ids::AccountId;
use pictor_actors::units::{BlobHash, UnixMillis};

use crate::store::sql::{Number, Session, Template, args, items, list, row, table};
use crate::store::{Result, Store};

/// Rows of one statement: two values each, within what the databases take.
const ROWS_AT_A_TIME: usize = 500;
/// Blobs that are dropped in one transaction.
pub const DROPPED_MAX: usize = 500;

/// What makes a blob unused; `$1` is the time before which it was brought last.
const IS_UNUSED: &str = "blobs.brought_at < $1
    AND NOT EXISTS (SELECT 1 FROM frames WHERE frames.hash = blobs.hash)
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.source_hash = blobs.hash)
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.inputs_hash = blobs.hash)
    AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.blob_hash = blobs.hash)
    AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.files_hash = blobs.hash)
    AND NOT EXISTS (SELECT 1 FROM manifest_files WHERE manifest_files.hash = blobs.hash)";

row! {
    /// A blob.
    pub struct BlobRow {
        /// Its name.
        pub hash: BlobHash,
        /// Its bytes.
        pub size: u64,
        /// Stored.
        pub created_at: UnixMillis,
    }
}

row! {
    /// A blob's name.
    pub struct HashRow {
        /// It.
        pub hash: BlobHash,
    }
}

impl Store {
    /// Notes that a blob is stored, and whose it is. Again is harmless, and keeps it from being dropped for a
    /// while.
    pub async fn put_blob(
        &self,
        hash: BlobHash,
        size: u64,
        owner: Option<AccountId>,
        now: UnixMillis,
    ) -> Result<()> {
        self.begin_write(move |session| {
            Box::pin(async move { keep_blob(session, hash, size, owner, now).await })
        })
        .await
    }

    /// The same of a manifest, with the stored files that it names.
    pub async fn put_manifest(
        &self,
        hash: BlobHash,
        size: u64,
        files: &[BlobHash],
        owner: Option<AccountId>,
        now: UnixMillis,
    ) -> Result<()> {
        let mut files = files.to_vec();
        // In one order, so that two who note the same files do not wait for each other.
        files.sort_unstable();
        files.dedup();
        self.begin_write(move |session| {
            Box::pin(async move {
                keep_blob(session, hash, size, owner, now).await?;
                for some in files.chunks(ROWS_AT_A_TIME) {
                    let text = format!(
                        "INSERT INTO manifest_files (manifest, hash) VALUES {}
                         ON CONFLICT (manifest, hash) DO NOTHING",
                        table(some.len(), 2)
                    );
                    let values = some.iter().flat_map(|file| args![hash, file]).collect();
                    session.run(text, values).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The blob's row, if it is stored.
    pub async fn blob(&self, hash: BlobHash) -> Result<Option<BlobRow>> {
        self.optional("SELECT * FROM blobs WHERE hash = $1", args![hash]).await
    }

    /// Whether the account may read that blob.
    pub async fn account_owns_blob(&self, account: AccountId, hash: BlobHash) -> Result<bool> {
        let sql = "SELECT COUNT(*) AS number FROM blob_owners WHERE account_id = $1 AND hash = $2";
        let owned: Number = self.one(sql, args![account, hash]).await?;
        Ok(owned.number > 0)
    }

    /// Every noted blob whose hash begins with this byte, ascending.
    pub async fn blobs_of_shard(&self, shard: u8) -> Result<Vec<BlobHash>> {
        let (from, to) = bounds(shard);
        let sql = "SELECT hash FROM blobs WHERE hash >= $1 AND hash < $2 ORDER BY hash";
        let rows: Vec<HashRow> = self.all(sql, args![from, to]).await?;
        Ok(rows.into_iter().map(|row| row.hash).collect())
    }

    /// Blobs whose hash begins with this byte, that nothing refers to and that nobody brought since `before`;
    /// at most `DROPPED_MAX`. By the time of the answer that may have changed:
    /// [`Store::drop_unused_blobs`] looks again.
    pub async fn unused_blobs(&self, shard: u8, before: UnixMillis) -> Result<Vec<BlobHash>> {
        let (from, to) = bounds(shard);
        let sql = format!(
            "SELECT hash FROM blobs WHERE hash >= $2 AND hash < $3 AND {IS_UNUSED}
             ORDER BY hash LIMIT $4"
        );
        let rows: Vec<HashRow> = self.all(sql, args![before, from, to, DROPPED_MAX]).await?;
        Ok(rows.into_iter().map(|row| row.hash).collect())
    }

    /// Forgets those of these blobs that are unused still, at most `DROPPED_MAX`; returns them, so that
    /// their files can be removed. What a dropped manifest named may be unused then.
    pub async fn drop_unused_blobs(&self, hashes: &[BlobHash], before: UnixMillis) -> Result<Vec<BlobHash>> {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        hashes.truncate(DROPPED_MAX);
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        self.begin_write(move |session| Box::pin(async move { drop_unused(session, &hashes, before).await }))
            .await
    }
}

/// Of the hashes that begin with this byte, as text: from the first, up to what follows the last.
pub(in crate::store) fn bounds(shard: u8) -> (String, String) {
    let end = shard.checked_add(1).map_or_else(|| "g".to_owned(), |next| format!("{next:02x}"));
    (format!("{shard:02x}"), end)
}

async fn drop_unused(
    session: &mut Session,
    hashes: &[BlobHash],
    before: UnixMillis,
) -> Result<Vec<BlobHash>> {
    // Changes nothing, but holds the rows: whoever brings one of them at this moment waits and then stores it
    // anew. A reference that comes without being brought breaks a foreign key, and nothing is dropped.
    let held = format!(
        "UPDATE blobs SET brought_at = brought_at WHERE hash IN {} AND {IS_UNUSED} RETURNING hash",
        list(2, hashes.len())
    );
    let mut values = args![before];
    values.extend(hashes.iter().flat_map(|hash| args![hash]));
    let unused: Vec<HashRow> = session.all(held, values).await?;
    let unused: Vec<BlobHash> = unused.into_iter().map(|row| row.hash).collect();
    if unused.is_empty() {
        return Ok(unused);
    }
    let marks = list(1, unused.len());
    for text in [
        format!("DELETE FROM manifest_files WHERE manifest IN {marks}"),
        format!("DELETE FROM blob_owners WHERE hash IN {marks}"),
        format!("DELETE FROM blobs WHERE hash IN {marks}"),
    ] {
        session.run(text, unused.iter().flat_map(|hash| args![hash]).collect()).await?;
    }
    Ok(unused)
}

static KEEP_BLOBS: Template = Template::new(
    "INSERT INTO blobs (hash, size, created_at, brought_at)
     SELECT item.value ->> 0, CAST(item.value ->> 1 AS BIGINT), CAST(item.value ->> 2 AS BIGINT),
         CAST(item.value ->> 2 AS BIGINT)
     FROM {items} WHERE true
     ON CONFLICT (hash) DO UPDATE SET brought_at =
         CASE WHEN blobs.brought_at IS NULL THEN NULL ELSE excluded.brought_at END",
);

/// Notes whose blobs are: rows of hash, account and time. Goes after [`keep_blobs`], and not together with
/// it: what drops a blob meanwhile, with its owners, is waited for there.
pub const KEEP_OWNERS: &str = "INSERT INTO blob_owners (hash, account_id, created_at)
     SELECT item.value ->> 0, item.value ->> 1, CAST(item.value ->> 2 AS BIGINT) FROM {items} WHERE true
     ON CONFLICT (account_id, hash) DO NOTHING";

static OWN: Template = Template::new(KEEP_OWNERS);

/// Notes that a blob is stored, and whose it is, if it is anybody's.
pub async fn keep_blob(
    session: &mut Session,
    hash: BlobHash,
    size: u64,
    owner: Option<AccountId>,
    now: UnixMillis,
) -> Result<()> {
    keep_blobs(session, &BTreeMap::from([(hash, (size, now))])).await?;
    let owners = items(owner.map(|owner| args![hash, owner, now]));
    session.run(OWN.text(session), vec![owners]).await.map(|_| ())
}

/// Notes that blobs are stored, each with its size and when: each hash once (no statement may change a row
/// twice), ascending, so that two who note the same ones do not wait for each other.
pub async fn keep_blobs(session: &mut Session, blobs: &BTreeMap<BlobHash, (u64, UnixMillis)>) -> Result<()> {
    let rows = items(blobs.iter().map(|(hash, (size, at))| args![hash, size, at]));
    session.run(KEEP_BLOBS.text(session), vec![rows]).await.map(|_| ())
}
