//! Numbers, times and ids as people read them. Pure; the clock is an argument.

use pictor_actors::units::UnixMillis;

const KIB: f64 = 1024.0;

/// `24 GiB`, `512 MiB`, `0 B`: three significant digits, binary units.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss)] // three digits are shown
    let mut value = count as f64 / KIB;
    let mut unit = 0;
    // From 1000 on the next unit: "1000 MiB" would be four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= KIB;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// `12.3`, `1.23` or `123`; a whole number has no decimals.
#[must_use]
pub fn three_digits(value: f64) -> String {
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `4.2 s`, `2 min 5 s`, `2 h 14 min`, `3 d 4 h`: two units at most.
#[must_use]
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=9 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..=86_399 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// `1 240`: thousands apart by a thin space that does not break.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 frame`, `24 frames`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `wrk_019a…7f3c`: enough to tell neighbours apart, which differ at the end.
#[must_use]
pub fn short_id(id: &str) -> String {
    match (id.get(..8), id.len().checked_sub(6).and_then(|from| id.get(from..))) {
        (Some(start), Some(end)) if id.len() > 16 => format!("{start}…{end}"),
        _ => id.to_owned(),
    }
}

/// RFC 3339 in UTC, to the second.
#[must_use]
pub fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "unknown".to_owned(), |stamp| stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// `23 Nov 2026, 09:15 UTC`, for where no script makes it relative.
#[must_use]
pub fn moment(rfc3339: &str) -> String {
    rfc3339
        .parse::<jiff::Timestamp>()
        .map_or_else(|_| rfc3339.to_owned(), |stamp| stamp.strftime("%-d %b %Y, %H:%M UTC").to_string())
}

/// 0 to 100, or nothing for what is not a number.
#[must_use]
pub fn percent(part: f64) -> Option<u8> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to 0..=100
    part.is_finite().then(|| (part.clamp(0.0, 1.0) * 100.0).floor() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (24 << 30, "24 GiB"),
            (1_500_000, "1.43 MiB"),
            (1023 << 20, "1 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn lengths_have_at_most_two_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_250, "4.2 s"),
            (59_999, "59 s"),
            (125_000, "2 min 5 s"),
            (8_040_000, "2 h 14 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(millis), text);
        }
    }

    #[test]
    fn counts_ids_and_times() {
        assert_eq!(count(1_204), "1\u{202f}204");
        assert_eq!(count(204), "204");
        assert_eq!(counted(1, "frame", "frames"), "1 frame");
        assert_eq!(short_id("wrk_019a0000000070008000000000007f3c"), "wrk_019a…007f3c");
        assert_eq!(short_id("é"), "é");
        assert_eq!(rfc3339(UnixMillis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(moment("2026-11-23T09:15:00Z"), "23 Nov 2026, 09:15 UTC");
        assert_eq!(percent(0.999), Some(99));
        assert_eq!(percent(f64::NAN), None);
    }
}
