//! Rows and live state → the shapes of the API. Pages are built from the same shapes, so both show the same.
//!
//! Pure but for the `load` functions, which ask the farm once per list. Unknown stays `None`.

pub mod accounts;
pub mod jobs;
pub mod tasks;
pub mod workers;

use pictor_actors::units::UnixMillis;
use pictor_cloud_api::page::{Page, PageQuery};

use super::problem::Error;
use crate::store::{Cursor, PAGE_ROWS, PAGE_ROWS_MAX, PageOf, PageRequest};

/// RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn time(at: UnixMillis) -> String {
    let format = "%Y-%m-%dT%H:%M:%S%.3fZ";
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime(format).to_string()
}

/// The page a client asks for.
///
/// # Errors
/// `invalid_input` for a limit outside 1 to 200.
pub fn page_request(query: &PageQuery) -> Result<PageRequest, Error> {
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Error::field("limit", format!("use 1 to {PAGE_ROWS_MAX}")));
    }
    let cursor = query.cursor.as_deref().filter(|text| !text.is_empty()).map(Cursor::from_text);
    Ok(PageRequest { limit, cursor })
}

/// A page of shapes from a page of rows.
#[must_use]
pub fn page<R, T>(rows: PageOf<R>, show: impl FnMut(R) -> T) -> Page<T> {
    Page {
        next_cursor: rows.next.map(|cursor| cursor.as_str().to_owned()),
        items: rows.rows.into_iter().map(show).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(time(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(UnixMillis(1_763_889_062_045)), "2025-11-23T09:11:02.045Z");
    }

    #[test]
    fn a_page_has_1_to_200_entries() {
        for (limit, good) in
            [(Some(0), false), (Some(1), true), (Some(200), true), (Some(201), false), (None, true)]
        {
            assert_eq!(page_request(&PageQuery { limit, cursor: None }).is_ok(), good, "{limit:?}");
        }
    }
}
