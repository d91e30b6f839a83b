//! A small scene sent by a plain form, for browsers without scripts. Large ones go up in parts by a script or
//! by `pictor submit`, which can go on after a broken line.

use actix_multipart::{Field, Multipart};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt as _, stream};
use pictor_actors::ids::AccountId;
use pictor_cloud_api::problem::ProblemCode;
use tokio::sync::Semaphore;

use super::submit::{choose_file, page_chrome};
use super::{address_of_file, form_errors, needs_role, refused, see};
use crate::http::guards::SignedIn;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::Role;

/// Largest file of a plain form: it lies in memory until its size is known.
pub(super) const FORM_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Such files in memory at a time.
static PLACES: Semaphore = Semaphore::const_new(4);

/// `POST /jobs/new`: the file; the answer leads to its settings.
pub async fn submit(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Multipart,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Creator)?;
    match take(&state, caller.id(), form).await {
        Ok(blake3) => Ok(see(&address_of_file(&blake3))),
        Err(error) => {
            let Some(errors) = form_errors(&error) else { return Err(error) };
            let words = errors.whole.or_else(|| errors.fields.into_values().next());
            refused(&state, &error, &page_chrome(&request, &caller), &choose_file(&state, words))
        }
    }
}

async fn take(state: &AppState, account: AccountId, mut form: Multipart) -> Answer<String> {
    let _place = PLACES.try_acquire().map_err(|_| {
        Error::unavailable("too many files are being sent without scripts at this moment: try again soon")
    })?;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|error| broken(&error))?;
        if field.name() == Some("file") {
            let name = field.content_disposition().and_then(|it| it.get_filename()).unwrap_or_default();
            let name = name.to_owned();
            let bytes = whole(&mut field).await?;
            return store(state, account, &name, bytes).await;
        }
    }
    Err(Error::field("file", "choose a file first"))
}

async fn whole(field: &mut Field) -> Answer<Bytes> {
    let (mut bytes, mut seen) = (BytesMut::new(), 0);
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| broken(&error))?;
        seen += chunk.len();
        // Read on for a while, so that the browser hears why instead of a broken line.
        if seen > 2 * FORM_FILE_BYTES_MAX {
            break;
        } else if seen <= FORM_FILE_BYTES_MAX {
            bytes.extend_from_slice(&chunk);
        }
    }
    if seen > FORM_FILE_BYTES_MAX {
        let words = "without scripts a file may have at most 32 MiB: send it with `pictor submit`";
        return Err(Error::field("file", words));
    }
    Ok(bytes.freeze())
}

/// The same way that a script goes: begun, its parts, completed.
async fn store(state: &AppState, account: AccountId, name: &str, mut bytes: Bytes) -> Answer<String> {
    if name.is_empty() {
        return Err(Error::field("file", "choose a file first"));
    }
    let size = u64::try_from(bytes.len()).map_err(Error::internal)?;
    let upload = state.ingest.begin_upload(account, name, size, None).await?.row;
    let part_size = usize::try_from(upload.part_size).map_err(Error::internal)?;
    let mut part = 0;
    while !bytes.is_empty() {
        let piece = bytes.split_to(part_size.min(bytes.len()));
        let body = stream::once(std::future::ready(Ok(piece))).boxed();
        state.ingest.put_part(account, upload.id, part, body).await?;
        part += 1;
    }
    let done =
        state.ingest.complete_upload(account, upload.id).await.map_err(|error| Error::from(&*error))?;
    let hash = done
        .row
        .blob_hash
        .ok_or_else(|| Error::unavailable("the file is still being read: open the page again in a moment"))?;
    Ok(hash.to_string())
}

fn broken(error: &actix_multipart::MultipartError) -> Error {
    Error::new(ProblemCode::InvalidInput, "the form did not arrive as a whole: send it again")
        .caused_by(error.to_string())
}
