//! The calls themselves, one function each.

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use pictor_actors::ids::{JobId, LeaseId};
use pictor_actors::protocol::enrolment::{ENROL_PATH, EnrolAnswer, EnrolRequest};
use pictor_actors::protocol::upload::{
    DIRECT_HEADER, FENCE_HEADER, FrameReceipt, HASH_HEADER, RENDER_MS_HEADER,
};
use pictor_actors::units::BlobHash;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use reqwest::{Body, StatusCode};
use tokio_util::io::ReaderStream;

use super::direct::leads_to;
use super::moving::{watched, while_moving};
use super::{CallError, Cloud, away};

/// The manifest of a job with the largest allowed number of files and long paths stays below this.
const MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Piece of a frame that is in memory at a time; small, as each one that leaves shows that the line moves.
const PIECE_BYTES: usize = 64 * 1024;

/// A frame on its way up.
#[derive(Debug, Clone)]
pub struct FrameUpload<'a> {
    /// Its lease.
    pub lease: LeaseId,
    /// The fence under which it was rendered.
    pub fence: u64,
    /// The frame.
    pub frame: i32,
    /// What its bytes must hash to.
    pub hash: BlobHash,
    /// Their number.
    pub size: u64,
    /// How long it took.
    pub render_ms: u64,
    /// Its media type.
    pub media_type: &'a str,
    /// Where they are.
    pub bytes: FrameBytes<'a>,
}

/// Where a frame's bytes are.
#[derive(Debug, Clone)]
pub enum FrameBytes<'a> {
    /// In a file, read piece by piece.
    File(&'a Path),
    /// In memory: a small one.
    Memory(Bytes),
}

/// The bytes of a blob from some place on.
pub struct BlobBody<S> {
    /// Where the bytes begin: 0 although more was asked for, if the cloud does not serve ranges.
    pub from: u64,
    /// The bytes.
    pub bytes: S,
}

impl Cloud {
    /// Whether the cloud answers at all.
    pub async fn reach(&self) -> Result<(), CallError> {
        self.sent(self.client()?.get(self.url("/livez"))).await.map(drop)
    }

    /// Hands in the public key against the one-time token.
    pub async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolAnswer, CallError> {
        let response = self.sent(self.client()?.post(self.url(ENROL_PATH)).json(request)).await?;
        self.patience.heard(response.json()).await
    }

    /// The bytes of a job's input manifest.
    pub async fn inputs_of(&self, job: JobId) -> Result<Vec<u8>, CallError> {
        let request = self.client()?.get(self.url(&format!("/api/v1/jobs/{job}/inputs")));
        let mut response = self.sent(self.signed(request)?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = self.patience.heard(response.chunk()).await? {
            body.extend_from_slice(&chunk);
            if body.len() > MANIFEST_BYTES_MAX {
                return Err(CallError::Away {
                    why: "the manifest is too large".to_owned(),
                    retry_after: None,
                });
            }
        }
        Ok(body)
    }

    /// The bytes of a blob, from `from` on, from the cloud or from where it leads.
    pub async fn blob(
        &self,
        hash: BlobHash,
        from: u64,
    ) -> Result<BlobBody<impl Stream<Item = Result<Bytes, CallError>> + Unpin + Send + use<>>, CallError>
    {
        let mut request = self.client()?.get(self.url(&format!("/api/v1/blobs/{hash}")));
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = self.signed(request.header(DIRECT_HEADER, "1"))?;
        let response = self.patience.heard(request.send()).await?;
        let response = match leads_to(&response) {
            Some(address) => self.of_storage(&address, from).await?,
            None => self.judged(response).await?,
        };
        let from = if response.status() == StatusCode::PARTIAL_CONTENT { from } else { 0 };
        let patience = self.patience;
        let bytes = Box::pin(stream::unfold(response, move |mut response| async move {
            let next = patience.heard(response.chunk()).await.transpose()?;
            Some((next, response))
        }));
        Ok(BlobBody { from, bytes })
    }

    /// Sends a frame's file; the receipt is the cloud's word that it is safe. Given up only when it stands
    /// still: a slow line may take as long as it needs.
    pub async fn put_frame(&self, upload: &FrameUpload<'_>) -> Result<FrameReceipt, CallError> {
        let (pieces, moves) = watched(pieces_of(&upload.bytes).await?);
        let path = format!("/api/v1/leases/{}/frames/{}", upload.lease, upload.frame);
        let request = self
            .client()?
            .put(self.url(&path))
            .header(CONTENT_LENGTH, upload.size)
            .header(CONTENT_TYPE, upload.media_type)
            .header(FENCE_HEADER, upload.fence)
            .header(HASH_HEADER, upload.hash.to_string())
            .header(RENDER_MS_HEADER, upload.render_ms)
            .body(Body::wrap_stream(pieces));
        let request = self.signed(request)?;
        let call = async {
            let response = request.send().await.map_err(|error| away(&error))?;
            self.judged(response).await?.json().await.map_err(|error| away(&error))
        };
        while_moving(call, moves, upload.size, self.patience).await
    }
}

/// A frame as a body.
pub(super) async fn pieces_of(
    bytes: &FrameBytes<'_>,
) -> Result<BoxStream<'static, io::Result<Bytes>>, CallError> {
    Ok(match bytes {
        FrameBytes::Memory(bytes) => stream::iter([Ok(bytes.clone())]).boxed(),
        FrameBytes::File(path) => {
            let file = tokio::fs::File::open(path)
                .await
                .map_err(|error| CallError::Away { why: error.to_string(), retry_after: None })?;
            ReaderStream::with_capacity(file, PIECE_BYTES).boxed()
        }
    })
}
