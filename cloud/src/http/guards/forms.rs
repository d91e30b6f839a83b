//! Forged requests: an unsafe request that rides on a cookie must come from our own pages.
//!
//! Two checks, both needed: where the browser says it comes from (`Sec-Fetch-Site`, `Origin`), and the form
//! token of the session, in the header [`FORM_HEADER`] or the form field [`FORM_FIELD`].

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage as _, dev, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use pictor_cloud_api::problem::ProblemCode;
use subtle::ConstantTimeEq as _;

use crate::config::Config;
use crate::http::problem::Error;

/// Header in which scripts send the form token.
pub const FORM_HEADER: &str = "x-csrf-token";
/// Field in which forms send it.
pub const FORM_FIELD: &str = "csrf";
/// The token of a form with a file stands within so many bytes.
const FILE_FORM_BEGIN_MAX: usize = 4 * 1024;

/// The form token that belongs to a session: derived from its secret, so nothing is stored and nobody without
/// the cookie can make it.
#[must_use]
pub fn form_token(session_secret: &str) -> String {
    let key = blake3::derive_key("pictor 2026 form token of a session", session_secret.as_bytes());
    URL_SAFE_NO_PAD.encode(key)
}

/// Compares in a time that does not tell where the texts differ.
fn equal(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Refuses an unsafe request that a browser says comes from another site. A client that says nothing is no
/// browser of this decade; for sessions the form token decides then.
pub fn check_origin(request: &ServiceRequest, config: &Config) -> Result<(), Error> {
    if request.method().is_safe() {
        return Ok(());
    }
    let headers = request.headers();
    if let Some(site) = text(headers, "sec-fetch-site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(foreign()) };
    }
    let Some(origin) = text(headers, "origin") else { return Ok(()) };
    let own = config.server.public_url.as_ref().map(|url| url.origin().ascii_serialization());
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    let same_host = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    if same_host || own.as_deref() == Some(origin) { Ok(()) } else { Err(foreign()) }
}

/// Refuses an unsafe request of a session without the session's form token.
///
/// Reads the body where the token may be in a form field, and puts it back for the handler.
pub async fn check_form_token(request: &mut ServiceRequest, expected: &str) -> Result<(), Error> {
    if request.method().is_safe() {
        return Ok(());
    }
    let sent = match text(request.headers(), FORM_HEADER) {
        Some(sent) => Some(sent.to_owned()),
        None => field_of_form(request).await?,
    };
    match sent {
        Some(sent) if equal(&sent, expected) => Ok(()),
        Some(_) | None => Err(foreign()),
    }
}

async fn field_of_form(request: &mut ServiceRequest) -> Result<Option<String>, Error> {
    if request.content_type() == "multipart/form-data" {
        return Ok(first_field_of_file_form(request).await);
    }
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Ok(None);
    }
    let body = request.extract::<web::Bytes>().await.map_err(|source| {
        Error::new(ProblemCode::TooLarge, "the form is too large").caused_by(source.to_string())
    })?;
    let token = url::form_urlencoded::parse(&body)
        .find(|(name, _)| name == FORM_FIELD)
        .map(|(_, value)| value.into_owned());
    request.set_payload(dev::Payload::from(body));
    Ok(token)
}

/// A form with a file is not read as a whole: our pages put the token first, so that its beginning is enough.
async fn first_field_of_file_form(request: &mut ServiceRequest) -> Option<String> {
    let mut payload = request.take_payload();
    let mut begin = web::BytesMut::new();
    let mut token = None;
    while token.is_none() && begin.len() < FILE_FORM_BEGIN_MAX {
        // What is broken here is broken for the handler too; without a token it hears nothing of it.
        let Some(Ok(chunk)) = payload.next().await else { break };
        begin.extend_from_slice(&chunk);
        token = token_at_begin(&begin);
    }
    let seen = stream::once(std::future::ready(Ok(begin.freeze())));
    request.set_payload(dev::Payload::Stream { payload: Box::pin(seen.chain(payload).fuse()) });
    token
}

fn token_at_begin(begin: &[u8]) -> Option<String> {
    let text = str::from_utf8(begin).unwrap_or_else(|error| {
        str::from_utf8(&begin[..error.valid_up_to()]).unwrap_or_default() // the file has begun
    });
    let (head, rest) = text.strip_prefix("--")?.split_once("\r\n\r\n")?;
    let is_token = head.lines().skip(1).any(|line| line.ends_with(&format!("; name=\"{FORM_FIELD}\"")));
    let (token, _) = rest.split_once("\r\n")?;
    is_token.then(|| token.to_owned())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn foreign() -> Error {
    Error::new(ProblemCode::FormExpired, "the form is too old or came from elsewhere: load the page again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_file_form_is_its_first_field_or_none() {
        let form = |name: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nsecret\r\n--b")
        };
        assert_eq!(token_at_begin(form("csrf").as_bytes()).as_deref(), Some("secret"));
        assert_eq!(token_at_begin(form("file").as_bytes()), None);
        assert_eq!(token_at_begin(form("xcsrf").as_bytes()), None);
        let cut = &form("csrf")[..57];
        assert_eq!(token_at_begin(cut.as_bytes()), None, "the rest is still on its way");
        let begun = [form("csrf").as_bytes(), &[0xff, 0xfe]].concat();
        assert_eq!(token_at_begin(&begun).as_deref(), Some("secret"));
    }

    #[test]
    fn form_token_belongs_to_its_session() {
        assert_eq!(form_token("a"), form_token("a"));
        assert_ne!(form_token("a"), form_token("b"));
        assert!(equal("same", "same") && !equal("same", "some") && !equal("same", "sam"));
    }
}
