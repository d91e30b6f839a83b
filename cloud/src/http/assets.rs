//! Scripts, styles and icons: names carry the content's hash, so browsers may keep them for ever.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::views::Assets;

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /assets/{file}`: the file in the best encoding that the browser takes.
#[allow(clippy::unused_async)] // handlers are
pub async fn asset(request: HttpRequest, file: web::Path<String>) -> HttpResponse {
    serve(&request, &file, FOR_EVER)
}

/// `GET /licences`: licence texts of what the pages' scripts are built from.
#[allow(clippy::unused_async)] // handlers are
pub async fn licences(request: HttpRequest, state: web::Data<crate::http::state::AppState>) -> HttpResponse {
    let address = state.views.manifest().address("licences.txt");
    serve(&request, address.trim_start_matches("/assets/"), "no-cache")
}

fn serve(request: &HttpRequest, name: &str, caching: &'static str) -> HttpResponse {
    // Compressed copies and the manifest are stored beside the files and are no addresses of their own.
    let is_public = name != "manifest.json" && !name.ends_with(".br") && !name.ends_with(".gz");
    let Some(plain) = is_public.then(|| Assets::get(name)).flatten() else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no such file");
    };
    let (ending, encoding) = best_encoding(request.headers());
    let compressed = ending.and_then(|ending| Assets::get(&format!("{name}{ending}")));
    let (file, encoding) = match compressed {
        Some(file) => (file, encoding),
        None => (plain, None),
    };
    let etag = etag(&file.metadata.sha256_hash());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::ETAG, etag.clone()));
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|seen| matches_etag(seen, &etag)) {
        return response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    if let Some(encoding) = encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding));
    }
    response.content_type(media_type(name)).body(file.data.into_owned())
}

fn etag(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("\"");
    for byte in &hash[..12] {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    text
}

fn matches_etag(seen: &HeaderValue, etag: &str) -> bool {
    seen.to_str().is_ok_and(|seen| seen == "*" || seen.split(',').any(|one| one.trim() == etag))
}

fn best_encoding(headers: &HeaderMap) -> (Option<&'static str>, Option<&'static str>) {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let takes = |name: &str| {
        accepted.split(',').map(str::trim).any(|one| {
            let (coding, quality) = one.split_once(";q=").unwrap_or((one, "1"));
            coding == name && quality.trim().parse::<f32>().is_ok_and(|q| q > 0.0)
        })
    };
    if takes("br") {
        (Some(".br"), Some("br"))
    } else if takes("gzip") {
        (Some(".gz"), Some("gzip"))
    } else {
        (None, None)
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("woff2") => "font/woff2",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding_for(accept: &'static str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        best_encoding(&headers).1
    }

    #[test]
    fn the_best_accepted_encoding_is_taken_and_a_refused_one_is_not() {
        assert_eq!(encoding_for("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(encoding_for("br;q=0, gzip"), Some("gzip"));
        assert_eq!(encoding_for("identity"), None);
    }
}
