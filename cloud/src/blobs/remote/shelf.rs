//! The places in a bucket, and the few requests that are made of them, with their errors in our words.

use std::io;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use pictor_actors::ids::{LeaseId, UploadId};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::write::{self, Wanted};
use crate::blobs::{BlobError, BytesIn, Stored};

/// Blobs that are written at a time, each of which holds at most 24 MiB: of what lies in the storage already,
/// and, apart, of what clients send, since a slow one takes its time and must not keep frames waiting.
const TAKEN_AT_A_TIME: usize = 8;
const RECEIVED_AT_A_TIME: usize = 32;
/// Whoever does not get his turn by then is told to come again.
const TURN_WITHIN: Millis = Millis::from_secs(25);

/// A bucket below a prefix.
pub(super) struct Shelf {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// Bytes of the largest object that the storage copies itself.
    pub(super) copied_max: u64,
    taking: Arc<Semaphore>,
    receiving: Arc<Semaphore>,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// As fast as it likes.
    Client,
    /// As fast as it can.
    Storage,
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: ObjectPath, copied_max: u64) -> Self {
        let (taking, receiving) = (Semaphore::new(TAKEN_AT_A_TIME), Semaphore::new(RECEIVED_AT_A_TIME));
        Self { store, prefix, copied_max, taking: Arc::new(taking), receiving: Arc::new(receiving) }
    }

    pub(super) fn below(&self, names: &[&str]) -> ObjectPath {
        names.iter().fold(self.prefix.clone(), |place, name| place.join(*name))
    }

    pub(super) fn object(&self, hash: BlobHash) -> ObjectPath {
        let name = hash.to_string();
        self.below(&["objects", &name[..2], &name])
    }

    pub(super) fn shard(&self, shard: u8) -> ObjectPath {
        self.below(&["objects", &format!("{shard:02x}")])
    }

    pub(super) fn uploads(&self) -> ObjectPath {
        self.below(&["uploads"])
    }

    pub(super) fn upload(&self, upload: UploadId) -> ObjectPath {
        self.below(&["uploads", &upload.to_string()])
    }

    pub(super) fn part(&self, upload: UploadId, part: u32) -> ObjectPath {
        self.below(&["uploads", &upload.to_string(), &format!("{part:05}")])
    }

    /// By what the frame is said to be: put again, also after a restart of the worker, it lies at the same
    /// place, and another worker's or another content's never does.
    pub(super) fn frame(&self, lease: LeaseId, frame: i32, hash: BlobHash) -> ObjectPath {
        self.below(&["staging", &format!("{lease}-{frame}-{hash}")])
    }

    pub(super) fn staging(&self) -> ObjectPath {
        self.below(&["staging"])
    }

    fn unnamed(&self) -> ObjectPath {
        self.below(&["staging", &format!("unnamed-{}", fresh_name())])
    }

    /// Whether the bucket is there and lets us in.
    pub(super) async fn probe(&self) -> Result<(), BlobError> {
        let nothing = self.below(&["probe"]);
        match self.store.list(Some(&nothing)).next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(BlobError::Away(io::Error::other(error))),
        }
    }

    pub(super) async fn find(&self, place: &ObjectPath) -> Result<Option<ObjectMeta>, BlobError> {
        match self.store.head(place).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(of_store(error)),
        }
    }

    pub(super) async fn get(&self, place: &ObjectPath, options: GetOptions) -> Result<GetResult, BlobError> {
        self.store.get_opts(place, options).await.map_err(of_store)
    }

    /// As it is; by the storage itself where it can. An error: there is no whole copy.
    pub(super) async fn copy(&self, from: &ObjectMeta, to: &ObjectPath) -> Result<(), BlobError> {
        if from.size > self.copied_max {
            let wanted = Wanted::part(to.clone(), from.size);
            let body = self.read_all(vec![from.location.clone()]);
            return self.store(body, Source::Storage, wanted).await.map(drop).map_err(super::of_storage);
        }
        self.store.copy(&from.location, to).await.map_err(of_store)?;
        let copied = self.find(to).await?.map_or(0, |copied| copied.size);
        if copied == from.size {
            return Ok(());
        }
        self.remove(to).await?;
        let words = format!("the storage copied {copied} of {} bytes", from.size);
        Err(BlobError::Away(io::Error::other(words)))
    }

    /// One that is not there is no error.
    pub(super) async fn remove(&self, place: &ObjectPath) -> Result<(), BlobError> {
        match self.store.delete(place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(of_store(error)),
        }
    }

    pub(super) async fn list(&self, folder: &ObjectPath) -> Result<Vec<ObjectMeta>, BlobError> {
        self.store.list(Some(folder)).try_collect().await.map_err(of_store)
    }

    /// The bytes of these, one after the other.
    pub(super) fn read_all(&self, places: Vec<ObjectPath>) -> BytesIn {
        let store = Arc::clone(&self.store);
        stream::iter(places)
            .then(move |place| {
                let store = Arc::clone(&store);
                async move {
                    let found = store.get(&place).await.map_err(io::Error::other)?;
                    Ok::<_, io::Error>(found.into_stream().map_err(io::Error::other))
                }
            })
            .try_flatten()
            .boxed()
    }

    /// Stores what the stream brings, if it is what is wanted. Goes on in a task of its own, so that a caller
    /// who goes away leaves no half-written upload in the storage: the stream ends then, and the task tidies.
    pub(super) async fn store(
        &self,
        body: BytesIn,
        source: Source,
        wanted: Wanted,
    ) -> Result<Stored, BlobError> {
        let turn = self.turn(source).await?;
        let (store, unnamed) = (Arc::clone(&self.store), self.unnamed());
        let (prefix, place) = (self.prefix.clone(), wanted.place.clone());
        let named = move |hash: BlobHash| {
            let name = hash.to_string();
            place.clone().unwrap_or_else(|| prefix.clone().join("objects").join(&name[..2]).join(&*name))
        };
        let writing = tokio::spawn(async move {
            let _turn = turn;
            write::write(store.as_ref(), body, &wanted, &named, &unnamed).await
        });
        writing.await.unwrap_or_else(|error| Err(BlobError::Io(io::Error::other(error))))
    }

    async fn turn(&self, source: Source) -> Result<OwnedSemaphorePermit, BlobError> {
        let turns = match source {
            Source::Client => &self.receiving,
            Source::Storage => &self.taking,
        };
        let turn = timeout(TURN_WITHIN.to_duration(), Arc::clone(turns).acquire_owned()).await;
        turn.map_err(io::Error::other)
            .and_then(|turn| turn.map_err(io::Error::other))
            .map_err(BlobError::Away)
    }
}

/// One that nobody else has or will have.
pub(super) fn fresh_name() -> String {
    UploadId::generate().to_string()
}

/// By the storage's clock.
pub(super) fn written_at(found: &ObjectMeta) -> UnixMillis {
    UnixMillis(found.last_modified.timestamp_millis())
}

/// What an error of the storage means.
pub(super) fn of_store(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound,
        error => BlobError::Away(io::Error::other(error)),
    }
}
