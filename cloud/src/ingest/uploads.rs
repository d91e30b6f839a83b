//! Uploads in parts: begun, sent in any order, resumed. Those that nobody finishes are a sweep's business.

use pictor_actors::ids::{AccountId, UploadId};
use pictor_actors::limits::UPLOAD_PART_BYTES;
use pictor_actors::units::{BlobHash, Millis};

use super::{Ingest, IngestError};
use crate::blobs::{BlobError, BytesIn};
use crate::store::{NewUploadRow, StoreError, UploadRow, UploadState, between};

/// An upload that is not finished by then is thrown away: a bad line for a week is a lost cause. One that is
/// complete, too, if no job uses it: counted from when it was completed, announced again or submitted last.
pub(super) const UPLOAD_VALID_FOR: Millis = Millis::from_secs(7 * 24 * 3600);
/// Characters of a file name.
const FILE_NAME_CHARS_MAX: usize = 200;

/// An upload and which of its parts are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadNow {
    /// The upload.
    pub row: UploadRow,
    /// Numbers of stored parts, ascending.
    pub parts_stored: Vec<u32>,
}

/// How many parts an upload has.
#[must_use]
pub fn part_count(size: u64, part_size: u64) -> u32 {
    u32::try_from(size.div_ceil(part_size.max(1))).unwrap_or(u32::MAX)
}

impl Ingest {
    /// Begins an upload, or finds the account's one of the same bytes: complete, or where it broke off.
    pub async fn begin_upload(
        &self,
        account: AccountId,
        file_name: &str,
        size: u64,
        declared_hash: Option<BlobHash>,
    ) -> Result<UploadNow, IngestError> {
        check_file_name(file_name)?;
        let limit = self.inner.upload_bytes_max;
        if size > limit {
            return Err(IngestError::TooLarge { size, limit });
        }
        if size == 0 {
            return Err(field("size", "the file is empty: save the scene again"));
        }
        if let Some(row) = self.known(account, declared_hash).await? {
            return Ok(UploadNow { parts_stored: (0..part_count(row.size, row.part_size)).collect(), row });
        }
        let now = self.now();
        if let Some(hash) = declared_hash
            && let Some(row) = self.inner.store.unfinished_upload(account, hash, size, now).await?
        {
            return self.upload(account, row.id).await;
        }
        let new = NewUploadRow {
            id: UploadId::generate(),
            account_id: account,
            file_name: file_name.to_owned(),
            size,
            part_size: UPLOAD_PART_BYTES,
            declared_hash,
            expires_at: now.plus(UPLOAD_VALID_FOR),
        };
        let creating = self.inner.store.create_upload(&new, now);
        let row = between("upload.before", creating, "upload.after").await?;
        Ok(UploadNow { row, parts_stored: Vec::new() })
    }

    /// Only what this account uploaded itself: a hash alone is no right to the bytes.
    async fn known(
        &self,
        account: AccountId,
        hash: Option<BlobHash>,
    ) -> Result<Option<UploadRow>, IngestError> {
        let Some(hash) = hash else { return Ok(None) };
        let found = self.inner.store.use_upload(account, hash, self.now().plus(UPLOAD_VALID_FOR)).await?;
        Ok(match (found, self.inner.blobs.head(hash).await?) {
            (Some(row), Some(_)) => Some(row),
            (Some(_) | None, _) => None,
        })
    }

    /// The account's upload with its stored parts.
    pub async fn upload(&self, account: AccountId, id: UploadId) -> Result<UploadNow, IngestError> {
        let row = self.inner.store.upload(account, id).await?;
        let parts_stored = match row.state {
            UploadState::Open => {
                self.inner.store.upload_parts(id).await?.iter().map(|part| part.part).collect()
            }
            UploadState::Completing | UploadState::Complete => {
                (0..part_count(row.size, row.part_size)).collect()
            }
        };
        Ok(UploadNow { row, parts_stored })
    }

    /// Length that a part must have; `NotFound` for a number that the upload has not.
    pub async fn part_length(&self, account: AccountId, id: UploadId, part: u32) -> Result<u64, IngestError> {
        let row = self.inner.store.upload(account, id).await?;
        length_of(&row, part).ok_or(IngestError::Store(StoreError::NotFound))
    }

    /// The same, and the upload still takes parts.
    pub async fn part_wanted(&self, account: AccountId, id: UploadId, part: u32) -> Result<u64, IngestError> {
        let row = self.inner.store.upload(account, id).await?;
        let length = length_of(&row, part).ok_or(StoreError::NotFound)?;
        if row.state != UploadState::Open {
            return Err(IngestError::Completing);
        }
        Ok(length)
    }

    /// Notes parts that were put straight into the storage, each only if it is there whole.
    pub async fn note_put_parts(
        &self,
        account: AccountId,
        id: UploadId,
        parts: &[u32],
    ) -> Result<UploadNow, IngestError> {
        for part in parts {
            let wanted = self.part_wanted(account, id, *part).await?;
            let direct = self.inner.blobs.direct().ok_or(StoreError::NotFound)?;
            match direct.check_part(id, *part, wanted).await {
                Ok(()) => self.inner.store.note_part(id, *part, wanted).await?,
                Err(BlobError::NotFound) => return Err(IngestError::Incomplete { missing: vec![*part] }),
                Err(BlobError::Incomplete { found, wanted }) => {
                    return Err(IngestError::PartLength { part: *part, found, wanted });
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.upload(account, id).await
    }

    /// Stores one part as its bytes come in; sending it again replaces it.
    pub async fn put_part(
        &self,
        account: AccountId,
        id: UploadId,
        part: u32,
        body: BytesIn,
    ) -> Result<UploadNow, IngestError> {
        let wanted = self.part_wanted(account, id, part).await?;
        match self.inner.blobs.put_part(id, part, body, wanted).await {
            Ok(()) => {}
            Err(BlobError::Incomplete { found, wanted }) => {
                return Err(IngestError::PartLength { part, found, wanted });
            }
            Err(error) => return Err(error.into()),
        }
        let noting = self.inner.store.note_part(id, part, wanted);
        between("part.before", noting, "part.after").await?;
        self.upload(account, id).await
    }
}

fn length_of(row: &UploadRow, part: u32) -> Option<u64> {
    let offset = u64::from(part).checked_mul(row.part_size)?;
    (offset < row.size).then(|| row.part_size.min(row.size - offset))
}

fn check_file_name(name: &str) -> Result<(), IngestError> {
    let lower = name.to_lowercase();
    if !(lower.ends_with(".blend") || lower.ends_with(".zip")) {
        return Err(field("file_name", "must end in .blend, or in .zip for a scene with the files it links"));
    }
    let is_bad = |letter: char| letter.is_control() || matches!(letter, '/' | '\\');
    if name.chars().any(is_bad) || name.chars().count() > FILE_NAME_CHARS_MAX || name.starts_with('.') {
        let message =
            format!("must be a plain file name of at most {FILE_NAME_CHARS_MAX} characters, without folders");
        return Err(IngestError::Field { field: "file_name", message });
    }
    Ok(())
}

fn field(field: &'static str, message: &str) -> IngestError {
    IngestError::Field { field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain_and_of_a_known_kind() {
        for good in ["kitchen.blend", "Küche 2.ZIP", "a.b.Blend"] {
            assert!(check_file_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".blend",
            "x.blend1",
            "x.exe",
            "a/b.blend",
            "..\\x.zip",
            "x\n.zip",
            &format!("{}.zip", "x".repeat(200)),
        ] {
            assert!(check_file_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parts_cover_the_whole() {
        assert_eq!(part_count(1, 16), 1);
        assert_eq!(part_count(16, 16), 1);
        assert_eq!(part_count(17, 16), 2);
    }
}
