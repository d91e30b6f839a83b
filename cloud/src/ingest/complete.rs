//! Completing an upload: parts joined and hashed, zips unpacked, scenes read.
//!
//! It may take minutes, so it runs by itself and whoever asks waits for it a while; asking again finds it. A
//! process that dies in the middle leaves the state `completing`, and the next who asks starts it again:
//! every step is harmless to repeat.

use std::sync::{Arc, MutexGuard, PoisonError};

use pictor_actors::faults;
use pictor_actors::ids::{AccountId, UploadId};
use pictor_actors::units::Millis;
use tokio::sync::watch;
use tokio::time::timeout;

use super::uploads::{UPLOAD_VALID_FOR, UploadNow, part_count};
use super::{Ingest, IngestError};
use crate::blobs::{BlobError, Stored};
use crate::store::{StoreError, UploadRow, UploadState, between};

/// How long an asker waits: less than the minute after which proxies give up.
const ANSWER_WITHIN: Millis = Millis::from_secs(40);

/// How it ended; shared by all who asked.
pub(super) type Outcome = Result<UploadRow, Arc<IngestError>>;

impl Ingest {
    /// Completes the upload, or waits for it: the row is `Complete`, or `Completing` when it takes longer
    /// than an asker can wait.
    pub async fn complete_upload(
        &self,
        account: AccountId,
        id: UploadId,
    ) -> Result<UploadNow, Arc<IngestError>> {
        let row = self.inner.store.upload(account, id).await.map_err(|error| Arc::new(error.into()))?;
        let parts_stored = (0..part_count(row.size, row.part_size)).collect();
        let finished = match row.state {
            UploadState::Complete => row,
            UploadState::Open | UploadState::Completing => {
                let mut outcome = self.completing(&row).await.map_err(Arc::new)?;
                match timeout(ANSWER_WITHIN.to_duration(), outcome.wait_for(Option::is_some)).await {
                    Ok(Ok(ended)) => {
                        ended.clone().unwrap_or_else(|| Err(Arc::new(IngestError::Completing)))?
                    }
                    Ok(Err(_)) => return Err(Arc::new(IngestError::Completing)),
                    Err(_) => UploadRow { state: UploadState::Completing, ..row },
                }
            }
        };
        Ok(UploadNow { row: finished, parts_stored })
    }

    /// The work under way, started if it is not.
    async fn completing(&self, row: &UploadRow) -> Result<watch::Receiver<Option<Outcome>>, IngestError> {
        if let Some(known) = self.works().get(&row.id) {
            return Ok(known.clone());
        }
        if row.state == UploadState::Open {
            self.all_parts_there(row).await?;
        }
        let (ended, outcome) = watch::channel(None);
        {
            let mut works = self.works();
            if let Some(known) = works.get(&row.id) {
                return Ok(known.clone());
            }
            works.insert(row.id, outcome.clone());
        }
        let (ingest, row) = (self.clone(), row.clone());
        tokio::spawn(async move {
            let id = row.id;
            let result = ingest.complete(row).await.map_err(Arc::new);
            if let Err(error) = &result {
                tracing::info!(upload.id = %id, %error, "upload not completed");
            }
            ended.send_replace(Some(result));
            ingest.works().remove(&id);
        });
        Ok(outcome)
    }

    async fn all_parts_there(&self, row: &UploadRow) -> Result<(), IngestError> {
        let stored = self.inner.store.upload_parts(row.id).await?;
        let is_stored = |number: &u32| stored.binary_search_by_key(number, |part| part.part).is_ok();
        let missing: Vec<u32> =
            (0..part_count(row.size, row.part_size)).filter(|number| !is_stored(number)).collect();
        if missing.is_empty() { Ok(()) } else { Err(IngestError::Incomplete { missing }) }
    }

    async fn complete(&self, row: UploadRow) -> Result<UploadRow, IngestError> {
        let store = &self.inner.store;
        if row.state == UploadState::Open {
            let moving = store.set_upload_state(row.id, UploadState::Open, UploadState::Completing);
            between("completing.before", moving, "completing.after").await?;
        }
        let result = self.read_whole(&row).await;
        match &result {
            Ok(_) => {}
            Err(error) if error.is_final() => {
                self.inner.blobs.drop_parts(row.id).await?;
                store.delete_upload(row.id).await?;
            }
            // A full disk or a database that is away: the parts are kept, and completing can be asked for
            // again.
            Err(_) => store.set_upload_state(row.id, UploadState::Completing, UploadState::Open).await?,
        }
        result
    }

    async fn read_whole(&self, row: &UploadRow) -> Result<UploadRow, IngestError> {
        let stored = match self.inner.blobs.finish_parts(row.id, row.size, row.declared_hash).await {
            Err(BlobError::HashMismatch { .. }) => return Err(IngestError::HashMismatch),
            other => other?,
        };
        faults::pass("complete.joined").await.map_err(StoreError::from)?;
        let content = self.content_of(row, stored).await?;
        let Stored { hash, size } = stored;
        let now = self.now();
        let times = (now, now.plus(UPLOAD_VALID_FOR));
        let finishing = self.inner.store.finish_upload(row.id, hash, size, &content, times);
        let finished = between("complete.before", finishing, "complete.after").await?;
        // Left-over parts are no harm: they go with the sweep.
        if let Err(error) = self.inner.blobs.drop_parts(row.id).await {
            tracing::warn!(upload.id = %row.id, %error, "parts of a complete upload stay behind");
        }
        Ok(finished)
    }

    fn works(
        &self,
    ) -> MutexGuard<'_, std::collections::BTreeMap<UploadId, watch::Receiver<Option<Outcome>>>> {
        self.inner.completing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
