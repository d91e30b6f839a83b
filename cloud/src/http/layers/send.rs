//! Stored bytes as an answer: whole or one range, with a tag that is their hash.

use std::ops::Range;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::units::BlobHash;

use crate::blobs::{BlobError, Blobs, Shown};
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;

/// How a blob is shown to whom.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Media type.
    pub media_type: &'static str,
    /// Name under which a browser saves it; nothing: shown in place.
    pub save_as: Option<String>,
    /// The address always gives these bytes: they need not be asked for again.
    pub is_immutable: bool,
}

/// The blob, the part of it that was asked for, or 304 if the client has it.
///
/// # Errors
/// `not_found`, `range_not_satisfiable`.
pub async fn blob(
    request: &HttpRequest,
    blobs: &dyn Blobs,
    hash: BlobHash,
    sent: &Sent,
) -> Answer<HttpResponse> {
    let tag = format!("\"{hash}\"");
    if is_known(request, &tag) {
        return Ok(headers(StatusCode::NOT_MODIFIED, &tag, sent)?.finish());
    }
    let size = blobs.head(hash).await?.ok_or(BlobError::NotFound)?;
    let range = match asked_range(request, &tag) {
        None => None,
        Some(asked) => match range_within(asked, size) {
            Wanted::All => None,
            Wanted::Part(range) => Some(range),
            Wanted::Outside => return Err(BlobError::BadRange { size }.into()),
        },
    };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    let mut response = headers(status, &tag, sent)?;
    if let Some(range) = &range {
        response.insert_header((
            header::CONTENT_RANGE,
            format!("bytes {}-{}/{size}", range.start, range.end - 1),
        ));
    }
    let (_, body) = blobs.get(hash, range).await?;
    Ok(response.body(SizedStream::new(length, body)))
}

/// Where the storage itself sends the blob, for a caller who follows: nothing where bytes go through this
/// cloud. The address is good for a while for whoever has it, so the answer is kept by nobody.
///
/// # Errors
/// `unavailable`.
pub async fn elsewhere(
    request: &HttpRequest,
    state: &AppState,
    hash: BlobHash,
    sent: &Sent,
) -> Answer<Option<HttpResponse>> {
    // The signature is for one method; and who has the bytes shall hear so here.
    if request.method() != Method::GET || is_known(request, &format!("\"{hash}\"")) {
        return Ok(None);
    }
    let Some(direct) = state.blobs.direct() else { return Ok(None) };
    // It was stored again while it was removed, and may not lie there at this moment.
    if state.blobs.puts_aside() && state.store.is_being_removed(hash).await? {
        return Ok(None);
    }
    let disposition = sent.save_as.as_deref().map(attachment);
    let shown = Shown { media_type: sent.media_type, disposition };
    let Some(address) = direct.get_at(hash, Some(shown)).await? else { return Ok(None) };
    let mut answer = HttpResponse::TemporaryRedirect();
    answer.insert_header((header::LOCATION, HeaderValue::from_str(&address).map_err(Error::internal)?));
    answer.insert_header((header::CACHE_CONTROL, "private, no-store"));
    Ok(Some(answer.finish()))
}

fn headers(status: StatusCode, tag: &str, sent: &Sent) -> Answer<actix_web::HttpResponseBuilder> {
    let cache = if sent.is_immutable { "private, max-age=31536000, immutable" } else { "private, no-cache" };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, HeaderValue::from_str(tag).map_err(Error::internal)?))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .content_type(sent.media_type);
    if let Some(name) = &sent.save_as {
        response.insert_header((header::CONTENT_DISPOSITION, attachment(name)));
    }
    Ok(response)
}

/// `attachment` with a plain name for old clients and the true one for all others.
#[must_use]
pub fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' })
        .collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// Whether the client says it has what this tag names.
#[must_use]
pub fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let asked = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    asked.is_some_and(|asked| {
        asked.split(',').any(|one| matches!(one.trim(), "*")) || asked.split(',').any(|one| one.trim() == tag)
    })
}

/// The range header, unless it was meant for other bytes (`If-Range`).
fn asked_range<'a>(request: &'a HttpRequest, tag: &str) -> Option<&'a str> {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_for_these = text(header::IF_RANGE).is_none_or(|of| of == tag);
    text(header::RANGE).filter(|_| is_for_these)
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Outside,
}

/// One range of bytes; several, another unit or garbage give the whole, as the standard allows.
fn range_within(asked: &str, size: u64) -> Wanted {
    let Some((first, last)) = asked.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        (Ok(_) | Err(_), _) => return Wanted::All,
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_clients_write_them() {
        for (asked, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=5-100", Wanted::Part(5..10)),
            ("bytes=5-18446744073709551615", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::Outside),
            ("bytes=10-12", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=5-2", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=x-", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=-", Wanted::All),
        ] {
            assert_eq!(range_within(asked, 10), wanted, "{asked}");
        }
        assert_eq!(range_within("bytes=0-", 0), Wanted::Outside);
    }

    #[test]
    fn file_names_are_safe_in_a_header() {
        assert_eq!(attachment("kitchen_0001.png"), "attachment; filename=\"kitchen_0001.png\"");
        let hostile = attachment("Küche\"\r\nX: 1.png");
        assert!(
            !hostile.contains('\r') && !hostile.contains('\n') && hostile.matches('"').count() == 2,
            "{hostile}"
        );
    }
}
