//! Printing: JSON as the API shapes it, or tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::error::Failure;

/// Pretty JSON on standard output.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
    println!("{text}");
    Ok(())
}

/// One line of JSON on standard output, for a reader that takes each as it comes.
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
    println!("{text}");
    Ok(())
}

/// What stands in a table where there is nothing yet: a blank would look like a fault.
pub const NOTHING_YET: &str = "–";

/// A table without lines, so that it can be cut and grepped.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    println!("{}", table.trim_fmt());
}

/// Name and value, one pair a line; pairs without a value are left out.
pub fn pairs(pairs: &[(&str, Option<String>)]) {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        if let Some(value) = value {
            println!("{name:<width$}  {value}");
        }
    }
}

/// `1 frame`, `24 frames`.
pub fn counted(count: u32, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// `12 s`, `3 min 4 s`, `2 h 14 min`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) if ms < 10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `8.0 GiB`.
pub fn bytes(count: u64) -> String {
    const STEP: f64 = 1024.0;
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < STEP {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= STEP;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_read_well() {
        assert_eq!(duration(1_530), "1.5 s");
        assert_eq!(duration(59_999), "59 s");
        assert_eq!(duration(184_000), "3 min 4 s");
        assert_eq!(duration(8_040_000), "2 h 14 min");
        assert_eq!(bytes(12), "12 B");
        assert_eq!((counted(1, "frame"), counted(0, "frame")), ("1 frame".into(), "0 frames".into()));
        assert_eq!(bytes(8 << 30), "8.0 GiB");
    }
}
