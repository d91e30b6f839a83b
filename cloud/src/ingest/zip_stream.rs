//! A zip that is made while it is sent: files stored, not compressed (frames are compressed already), never
//! whole in memory or on the disk.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use pictor_actors::units::BlobHash;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::blobs::{BlobError, Blobs};

/// Chunks on their way to the client: it takes them when it can.
const CHUNKS_WAITING: usize = 8;
/// Bytes gathered before they are handed on: the writer makes many small writes.
const CHUNK_BYTES: usize = 128 * 1024;
/// From this size on a file needs the large form of entries, whatever is said about it later.
const LARGE_BYTES: u64 = u32::MAX as u64;

/// One file of the zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Path inside.
    pub path: String,
    /// Its bytes.
    pub hash: BlobHash,
    /// Their number.
    pub size: u64,
}

/// Zips under way at a time: each holds a thread while its client takes what it takes.
#[derive(Debug, Clone)]
pub struct ZipPermits(Arc<Semaphore>);

impl ZipPermits {
    /// So many at a time.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_a_time)))
    }
}

/// The zip as a stream; nothing when too many are under way. It breaks off with an error when a blob cannot
/// be read, and its work ends when nobody takes it any more.
#[must_use]
pub fn zip_stream(
    permits: &ZipPermits,
    blobs: Arc<dyn Blobs>,
    entries: Vec<ZipEntry>,
) -> Option<BoxStream<'static, io::Result<Bytes>>> {
    let permit = Arc::clone(&permits.0).try_acquire_owned().ok()?;
    let (chunks, sent) = mpsc::channel(CHUNKS_WAITING);
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || write(&blobs, entries, chunks, &handle, permit));
    Some(ReceiverStream::new(sent).boxed())
}

fn write(
    blobs: &Arc<dyn Blobs>,
    entries: Vec<ZipEntry>,
    chunks: mpsc::Sender<io::Result<Bytes>>,
    handle: &Handle,
    _permit: OwnedSemaphorePermit,
) {
    let mut zip =
        ZipWriter::new_stream(Chunks { gathered: Vec::with_capacity(CHUNK_BYTES), chunks: chunks.clone() });
    let written = entries.into_iter().try_for_each(|entry| write_one(blobs, &entry, &mut zip, handle));
    let ended = written.and_then(|()| zip.finish()?.into_inner().flush());
    if let Err(error) = ended {
        // Whoever took it has gone, or is told that the zip is not whole.
        let _ = chunks.blocking_send(Err(error));
    }
}

fn write_one<W: Write + io::Seek>(
    blobs: &Arc<dyn Blobs>,
    entry: &ZipEntry,
    zip: &mut ZipWriter<W>,
    handle: &Handle,
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(entry.size >= LARGE_BYTES);
    zip.start_file(entry.path.as_str(), options)?;
    let (_, mut body) = handle.block_on(blobs.get(entry.hash, None)).map_err(of_blob)?;
    while let Some(chunk) = handle.block_on(body.next()) {
        zip.write_all(&chunk?)?;
    }
    Ok(())
}

fn of_blob(error: BlobError) -> io::Error {
    match error {
        BlobError::Io(error) | BlobError::Body(error) => error,
        other => io::Error::other(other),
    }
}

/// Gathers what the writer writes and hands it on; blocks while the client is slow.
struct Chunks {
    gathered: Vec<u8>,
    chunks: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK_BYTES));
        self.chunks.blocking_send(Ok(chunk.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
