//! Keyset pages: a cursor names the last row's sort keys, so a page costs the same wherever it lies and rows
//! that come and go never shift it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::error::{ConflictKind, Result, StoreError};

/// Rows a page holds at most.
pub const PAGE_ROWS_MAX: u32 = 200;
/// Rows a page holds unless said.
pub const PAGE_ROWS: u32 = 50;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows wanted; held to 1..=[`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Where the page before ended; nothing: the first page.
    pub cursor: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: PAGE_ROWS, cursor: None }
    }
}

impl PageRequest {
    /// The first page with at most this many rows.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { limit, cursor: None }
    }

    pub(in crate::store) fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_ROWS_MAX) as usize
    }

    /// The sort keys of the last row of the page before, if there was one.
    pub(in crate::store) fn keys<const N: usize>(&self, list: &str) -> Result<Option<[String; N]>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        cursor.keys(list).map(Some).ok_or(StoreError::Conflict(ConflictKind::BadCursor))
    }
}

/// Opaque text that names a place in one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor as a client sent it; what is not one is refused by the list it is used on.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to hand to a client.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(list: &str, keys: &[String]) -> Self {
        let mut parts = vec![list.to_owned()];
        parts.extend_from_slice(keys);
        Self(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&parts).unwrap_or_default()))
    }

    fn keys<const N: usize>(&self, list: &str) -> Option<[String; N]> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).ok()?;
        let mut parts: Vec<String> = serde_json::from_slice(&bytes).ok()?;
        if parts.first().is_none_or(|name| name != list) {
            return None;
        }
        parts.remove(0);
        parts.try_into().ok()
    }
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct PageOf<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; nothing at the end.
    pub next: Option<Cursor>,
}

impl<T> PageOf<T> {
    /// A page of at most `rows` from a query that asked for one row more.
    pub(in crate::store) fn cut<const N: usize>(
        mut found: Vec<T>,
        rows: usize,
        list: &str,
        keys: impl Fn(&T) -> [String; N],
    ) -> Self {
        let has_more = found.len() > rows;
        found.truncate(rows);
        let next = found.last().filter(|_| has_more).map(|last| Cursor::of(list, &keys(last)));
        Self { rows: found, next }
    }
}

/// The pattern of a search, for `LOWER(…) LIKE $n ESCAPE '!'`: what the person typed stands for itself.
pub(in crate::store) fn like(search: &str) -> String {
    let mut pattern = String::from("%");
    for letter in search.trim().to_ascii_lowercase().chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        // SQLite knows upper and lower case of ASCII only: any letter may stand in for another alphabet's.
        let has_case = !letter.is_ascii() && (letter.is_lowercase() || letter.is_uppercase());
        pattern.push(if has_case { '_' } else { letter });
    }
    pattern.push('%');
    pattern
}
