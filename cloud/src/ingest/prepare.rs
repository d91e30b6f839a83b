//! From a complete upload to the inputs of a job: which scene is opened, and the manifest that workers get.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use pictor_actors::ids::AccountId;
use pictor_actors::protocol::assignment::InputManifest;
use pictor_actors::units::BlobHash;
use pictor_cloud_api::uploads::UploadContent;

use super::error::listed;
use super::uploads::UPLOAD_VALID_FOR;
use super::{Ingest, IngestError};
use crate::blobs::{BlobError, Blobs, Stored};

/// Bytes of a manifest: 10,000 files with the longest paths are 12 MiB.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Manifests kept in memory, as sets of hashes.
const MANIFESTS_KEPT: usize = 32;

/// Inputs of a job, ready to be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedInputs {
    /// The manifest's blob.
    pub inputs_hash: BlobHash,
    /// Path of the scene that is opened.
    pub main: String,
    /// What the upload holds.
    pub content: UploadContent,
    /// The upload's file name, for the job's.
    pub file_name: String,
}

impl Ingest {
    /// Makes the inputs of a job from the account's complete upload with that hash. `main` names the scene to
    /// open; it is needed where there are several, else [`IngestError::MainNeeded`].
    pub async fn prepare_inputs(
        &self,
        account: AccountId,
        source: BlobHash,
        main: Option<&str>,
    ) -> Result<PreparedInputs, IngestError> {
        // It must not go while the job is made.
        let upload = self.inner.store.use_upload(account, source, self.now().plus(UPLOAD_VALID_FOR)).await?;
        let upload = upload.ok_or(IngestError::NotUploaded)?;
        let content = upload.content.ok_or(IngestError::NotUploaded)?;
        let main = chosen(&content, main)?;
        let list = content
            .files_blake3
            .as_deref()
            .and_then(|hash| hash.parse().ok())
            .ok_or(IngestError::NotUploaded)?;
        let list = read_manifest(self.inner.blobs.as_ref(), list).await?;
        let manifest = InputManifest { main: main.clone(), files: list.files };
        let inputs_hash = self.put_manifest(&manifest, Some(account)).await?;
        Ok(PreparedInputs { inputs_hash, main, content, file_name: upload.file_name })
    }

    /// Whether the file is one of the manifest's (or the manifest itself): what a worker may read.
    pub async fn is_input(&self, manifest: BlobHash, file: BlobHash) -> Result<bool, IngestError> {
        if manifest == file {
            return Ok(true);
        }
        Ok(self.inner.manifests.hashes(self.inner.blobs.as_ref(), manifest).await?.contains(&file))
    }
}

fn chosen(content: &UploadContent, main: Option<&str>) -> Result<String, IngestError> {
    let scenes = &content.blend_files;
    match (main.map(|main| main.trim_start_matches("./")), scenes.as_slice()) {
        (Some(main), _) if scenes.iter().any(|scene| scene == main) => Ok(main.to_owned()),
        (Some(main), _) => {
            let message = format!("there is no {main:?} in the upload: name one of {}", listed(scenes));
            Err(IngestError::Field { field: "main", message })
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(IngestError::MainNeeded { scenes: scenes.clone() }),
    }
}

/// Stores a manifest as canonical JSON: fields in their order, files ascending, no space; so that the same
/// inputs have the same hash.
pub(super) async fn put_manifest(blobs: &dyn Blobs, manifest: &InputManifest) -> Result<Stored, IngestError> {
    let json = serde_json::to_vec(manifest).map_err(|error| BlobError::Io(error.into()))?;
    let body = stream::once(async move { Ok(Bytes::from(json)) }).boxed();
    Ok(blobs.put_stream(body, None, MANIFEST_BYTES_MAX).await?)
}

/// Reads a stored manifest.
pub(super) async fn read_manifest(blobs: &dyn Blobs, hash: BlobHash) -> Result<InputManifest, IngestError> {
    let (size, body) = blobs.get(hash, None).await?;
    if size > MANIFEST_BYTES_MAX {
        return Err(BlobError::TooLarge { limit: MANIFEST_BYTES_MAX }.into());
    }
    let append = |mut whole: Vec<u8>, chunk: Bytes| async move {
        whole.extend_from_slice(&chunk);
        Ok(whole)
    };
    let json = body.try_fold(Vec::new(), append).await.map_err(BlobError::Io)?;
    serde_json::from_slice(&json).map_err(|error| BlobError::Io(error.into()).into())
}

type Hashes = Arc<BTreeSet<BlobHash>>;

/// Which hashes the manifests in use hold: a worker asks for each file by itself, and a manifest may be
/// megabytes.
#[derive(Debug, Default)]
pub struct Manifests(Mutex<BTreeMap<BlobHash, Hashes>>);

impl Manifests {
    async fn hashes(&self, blobs: &dyn Blobs, manifest: BlobHash) -> Result<Hashes, IngestError> {
        let known = |kept: &BTreeMap<BlobHash, Hashes>| kept.get(&manifest).cloned();
        if let Some(hashes) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(hashes);
        }
        let read = read_manifest(blobs, manifest).await?;
        let hashes: Hashes = Arc::new(read.files.into_iter().map(|file| file.hash).collect());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MANIFESTS_KEPT {
            kept.pop_first(); // any one: hashes have no order that means something
        }
        kept.insert(manifest, Arc::clone(&hashes));
        Ok(hashes)
    }
}
