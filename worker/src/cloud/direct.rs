//! Bytes by way of the cloud's storage: the cloud says where, the storage takes or gives them, the cloud says
//! whether they are right.
//!
//! The storage never sees our bearer, and its addresses, which are secrets, never reach a log. Whatever it
//! refuses (an address that is too old, a bucket that is away) is a reason to ask the cloud anew, never to
//! drop a frame.

use std::sync::atomic::Ordering;

use pictor_actors::protocol::upload::{FrameAnnounced, FramePlace, FrameReceipt, PutAddress, PutHeader};
use reqwest::header::{CONTENT_LENGTH, LOCATION, RANGE};
use reqwest::{Body, Response, StatusCode, Url};
use tokio::time::timeout;

use super::calls::pieces_of;
use super::moving::{watched, while_moving};
use super::{CallError, Cloud, FrameUpload, away};

/// The code of a commit whose bytes are not in the storage.
const NOT_PUT: &str = "upload_incomplete";

impl Cloud {
    /// Sends a frame's file the way the cloud wants it; the receipt is its word that the frame is safe.
    pub async fn deliver(&self, upload: &FrameUpload<'_>) -> Result<FrameReceipt, CallError> {
        if !self.puts_directly.load(Ordering::Relaxed) {
            return self.put_frame(upload).await;
        }
        match self.place(upload).await? {
            FramePlace { receipt: Some(receipt), .. } => Ok(receipt),
            FramePlace { put: Some(address), receipt: None } => {
                self.put_at(&address, upload).await?;
                self.commit(upload).await
            }
            FramePlace { put: None, receipt: None } => self.put_frame(upload).await,
        }
    }

    async fn place(&self, upload: &FrameUpload<'_>) -> Result<FramePlace, CallError> {
        let request = self.client()?.post(self.url(&path(upload, "place"))).json(&announced(upload));
        let response = self.sent(self.signed(request)?).await?;
        self.patience.heard(response.json()).await
    }

    async fn put_at(&self, address: &PutAddress, upload: &FrameUpload<'_>) -> Result<(), CallError> {
        let (pieces, moves) = watched(pieces_of(&upload.bytes).await?);
        let mut request = self.client()?.put(&address.url).header(CONTENT_LENGTH, upload.size);
        for PutHeader { name, value } in &address.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::wrap_stream(pieces));
        let call = async {
            let response = request.send().await.map_err(|error| away(&error.without_url()))?;
            taken(response).map(drop)
        };
        while_moving(call, moves, upload.size, self.patience).await
    }

    /// Takes long for a large frame: the cloud reads and hashes it meanwhile.
    async fn commit(&self, upload: &FrameUpload<'_>) -> Result<FrameReceipt, CallError> {
        let request = self.client()?.post(self.url(&path(upload, "commit"))).json(&announced(upload));
        let sending = self.signed(request)?.send();
        let response = timeout(self.patience.answer.to_duration(), sending).await;
        let response = response.map_err(|_| later("the cloud is still reading the frame"))?;
        match self.judged(response.map_err(|error| away(&error))?).await {
            Ok(response) => self.patience.heard(response.json()).await,
            Err(CallError::Problem(problem)) if problem.code == NOT_PUT => {
                Err(later("the frame is not in the storage: it will be put again"))
            }
            Err(error) => Err(error),
        }
    }

    /// Bytes from an address that the cloud led to.
    pub(super) async fn of_storage(&self, address: &Url, from: u64) -> Result<Response, CallError> {
        let mut request = self.client()?.get(address.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let sending = async { request.send().await.map_err(reqwest::Error::without_url) };
        taken(self.patience.heard(sending).await?)
    }
}

/// Where this answer leads, if it does.
pub(super) fn leads_to(response: &Response) -> Option<Url> {
    if response.status() != StatusCode::TEMPORARY_REDIRECT {
        return None;
    }
    let address: Url = response.headers().get(LOCATION)?.to_str().ok()?.parse().ok()?;
    matches!(address.scheme(), "http" | "https").then_some(address)
}

fn taken(response: Response) -> Result<Response, CallError> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(later(&format!("the cloud's storage answered {}", response.status())))
}

fn later(why: &str) -> CallError {
    CallError::Away { why: why.to_owned(), retry_after: None }
}

fn path(upload: &FrameUpload<'_>, verb: &str) -> String {
    format!("/api/v1/leases/{}/frames/{}/{verb}", upload.lease, upload.frame)
}

const fn announced(upload: &FrameUpload<'_>) -> FrameAnnounced {
    FrameAnnounced { fence: upload.fence, hash: upload.hash, size: upload.size, render_ms: upload.render_ms }
}
