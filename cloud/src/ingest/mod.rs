//! What comes in from creators, and what is made of it: uploads in parts, zips unpacked, scenes read,
//! pictures made small enough to show.
//!
//! Everything here works on bytes of strangers: it is bounded, nothing is run, and the worst answer is a
//! sentence. Who may do what is `http`'s business; which rows there are, `store`'s.

mod complete;
mod content;
mod error;
mod heads;
pub mod inspect;
mod prepare;
mod scratch;
pub mod thumbnails;
mod unpack;
mod uploads;
pub mod zip_stream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pictor_actors::ids::UploadId;
use pictor_actors::now::Clock;
use pictor_actors::units::UnixMillis;
use tokio::sync::watch;

pub use error::IngestError;
pub use inspect::Inspector;
pub use prepare::{Manifests, PreparedInputs};
pub use thumbnails::Thumbnails;
pub use uploads::{UploadNow, part_count};
pub use zip_stream::{ZipEntry, ZipPermits};

use crate::blobs::{Blobs, BytesOut};
use crate::config::Config;
use crate::store::Store;

/// Zips of frames that are sent at a time: each holds one thread.
const ZIPS_AT_A_TIME: usize = 16;

/// Takes uploads and makes them ready for jobs. Clones are the same.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    inspector: Inspector,
    thumbnails: Thumbnails,
    manifests: Manifests,
    zips: ZipPermits,
    upload_bytes_max: u64,
    scratch_dir: PathBuf,
    /// Uploads that are being completed by this process.
    completing: Mutex<BTreeMap<UploadId, watch::Receiver<Option<complete::Outcome>>>>,
}

impl Ingest {
    /// Works with the program that runs now as the reader of `.blend` files.
    #[must_use]
    pub fn new(config: &Config, store: Store, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self::with_reader(config, store, blobs, clock, reader_program())
    }

    /// The same with another program as the reader, for tests.
    #[must_use]
    pub fn with_reader(
        config: &Config,
        store: Store,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        reader: PathBuf,
    ) -> Self {
        let scratch_dir = config.data_dir.join("scratch");
        let inner = Inner {
            inspector: Inspector::new(reader, scratch_dir.clone()),
            thumbnails: Thumbnails::new(config.thumbnails_dir(), Arc::clone(&blobs)),
            manifests: Manifests::default(),
            zips: ZipPermits::new(ZIPS_AT_A_TIME),
            upload_bytes_max: config.limits.upload_bytes_max,
            completing: Mutex::new(BTreeMap::new()),
            scratch_dir,
            store,
            blobs,
            clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Small pictures of frames.
    #[must_use]
    pub fn thumbnails(&self) -> &Thumbnails {
        &self.inner.thumbnails
    }

    /// A zip of stored blobs, made while it is sent; nothing while too many are.
    #[must_use]
    pub fn zip(&self, entries: Vec<ZipEntry>) -> Option<BytesOut> {
        zip_stream::zip_stream(&self.inner.zips, Arc::clone(&self.inner.blobs), entries)
    }

    fn now(&self) -> UnixMillis {
        self.inner.clock.now().wall
    }
}

/// This program, or in a test the program beside the test's.
fn reader_program() -> PathBuf {
    const NAME: &str = "pictor-cloud";
    let this = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(NAME));
    let is_program = this.file_stem().is_some_and(|stem| stem == NAME);
    let beside = |folder: &Path| Some(folder.join(NAME)).filter(|program| program.is_file());
    if is_program { this } else { this.ancestors().skip(1).take(2).find_map(beside).unwrap_or(this) }
}
