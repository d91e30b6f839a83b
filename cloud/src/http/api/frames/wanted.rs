//! The rules of a frame's delivery, whichever way its bytes come: through this cloud (`put`) or straight into
//! the storage (`direct`).

use actix_web::HttpResponse;
use pictor_actors::faults;
use pictor_actors::protocol::upload::FrameReceipt;
use pictor_cloud_api::problem::ProblemCode;

use crate::http::guards::WorkerCaller;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::{FrameRow, NewFrame, StoreError, UploadVerdict, between};

/// Whether the bytes of a frame are wanted.
pub(super) enum Verdict {
    Wanted,
    /// It is stored: the receipt once more.
    Stored(FrameReceipt),
}

/// Asked before any byte is taken. `lease_superseded`: drop the frame.
pub(super) async fn verdict(state: &AppState, caller: &WorkerCaller, frame: &NewFrame) -> Answer<Verdict> {
    match state.store.lease_for_upload(frame.lease, frame.fence, frame.frame).await? {
        UploadVerdict::Wanted { worker, .. } if worker == caller.worker.id => Ok(Verdict::Wanted),
        UploadVerdict::Already(row) if row.worker_id == caller.worker.id => {
            Ok(Verdict::Stored(receipt_of(&row)))
        }
        UploadVerdict::Wanted { .. } | UploadVerdict::Already(_) | UploadVerdict::Superseded => {
            Err(StoreError::StaleFence.into())
        }
    }
}

pub(super) fn check_size(size: u64, size_max: u64) -> Answer<()> {
    if size == 0 {
        let detail = "the frame is empty: a frame has at least one byte";
        return Err(Error::new(ProblemCode::HashMismatch, detail));
    }
    if size > size_max {
        let detail = format!("the frame has {size} bytes, more than the {size_max} that are allowed");
        return Err(Error::new(ProblemCode::TooLarge, detail));
    }
    Ok(())
}

/// The bytes are stored: so is the frame, and the worker gets its receipt.
pub(super) async fn keep(state: &AppState, caller: &WorkerCaller, frame: &NewFrame) -> Answer<HttpResponse> {
    let storing = state.store.store_frame(frame, state.wall());
    let row = between("frame.before", storing, "frame.after").await?;
    if row.already && row.worker != caller.worker.id {
        // Somebody else's came while this one was on its way: this one is not needed.
        return Err(StoreError::StaleFence.into());
    }
    let mut answer = if row.already { HttpResponse::Ok() } else { HttpResponse::Created() };
    let answer = answer.json(&row.receipt);
    if row.already {
        // Perhaps by this very request, whose commit was not answered: then the job has not heard of it.
        state.farm.job_changed(row.job);
    }
    state.farm.frame_stored(row);
    faults::pass("frame.told").await.map_err(StoreError::from)?;
    Ok(answer)
}

fn receipt_of(row: &FrameRow) -> FrameReceipt {
    FrameReceipt {
        lease: row.lease_id,
        frame: row.frame,
        hash: row.hash,
        size: row.size,
        stored_at: row.stored_at,
    }
}
