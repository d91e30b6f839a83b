//! One line of Blender's output.
//!
//! Formats seen: `Fra:1 Mem:9.1M (Peak 9.1M) | Time:00:00.09 | Remaining:00:00.00 | Mem:0.8M, Peak:0.8M |
//! Scene, Layer | Sample 1/2` (3.4 to 4.5), `Mem: 8M | Sample 1/32` (handler of 5.x), and log lines that
//! begin with a time and a category (`00:01.361  render           | Saved: '…'`, 5.x) or only the category
//! (`render | …`). Names in a scene are its creator's: a line of statistics is never searched for symptoms.

use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// How far the frame is.
    Stats(Stats),
    /// A file was written.
    Saved {
        /// Its path as printed.
        path: String,
    },
    /// A sign of a failure.
    Symptom(Symptom),
    /// Anything else that a person may want to read.
    Other,
    /// Nothing worth passing on.
    Empty,
}

/// Numbers and words about a frame underway; what the line does not say is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Sample and samples.
    pub samples: Option<(u32, u32)>,
    /// Tile and tiles, finished ones.
    pub tiles: Option<(u32, u32)>,
    /// Blender's own guess.
    pub remaining: Option<Millis>,
    /// Peak memory of the frame.
    pub peak_bytes: Option<u64>,
    /// What it does, without the numbers above.
    pub text: Option<String>,
}

/// A sign of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symptom {
    /// Of which class.
    pub class: FailureClass,
    /// The frame is wrong whatever Blender says next; otherwise it explains a failure that is seen elsewhere.
    pub fatal: bool,
}

const FATAL: &[(&str, FailureClass)] = &[
    ("scripts disabled for", FailureClass::NeedsScripts),
    ("bpy_driver_exec: restricted access", FailureClass::NeedsScripts),
    ("automatic scripts are disabled", FailureClass::NeedsScripts),
    ("system is out of gpu memory", FailureClass::OutOfGpuMemory),
    ("system is out of gpu and shared host memory", FailureClass::OutOfGpuMemory),
    ("out of memory in cu", FailureClass::OutOfGpuMemory),
    ("out of memory in optix", FailureClass::OutOfGpuMemory),
    ("out of memory in hip", FailureClass::OutOfGpuMemory),
    ("cuda error: out of memory", FailureClass::OutOfGpuMemory),
    ("cuda_error_out_of_memory", FailureClass::OutOfGpuMemory),
    ("optix_error_out_of_memory", FailureClass::OutOfGpuMemory),
    ("optix_error_device_out_of_memory", FailureClass::OutOfGpuMemory),
    ("out of gpu memory", FailureClass::OutOfGpuMemory),
    ("cuda nvcc compiler not found", FailureClass::EngineNotAvailable),
    ("cuda binary kernel for this graphics card", FailureClass::EngineNotAvailable),
    ("cuda backend requires compute capability", FailureClass::EngineNotAvailable),
    ("failed to create cuda context", FailureClass::EngineNotAvailable),
    ("failed to load cuda kernel", FailureClass::EngineNotAvailable),
    ("failed to load optix kernel", FailureClass::EngineNotAvailable),
    (" in cuda queue ", FailureClass::Crash),
    ("optix_error_", FailureClass::Crash),
    // Cycles says so after any failure of a GPU, and renders nothing more.
    ("refer to the cycles gpu rendering documentation", FailureClass::Crash),
    ("error: out of memory", FailureClass::OutOfMemory),
    ("alloc returns null", FailureClass::OutOfMemory),
    ("std::bad_alloc", FailureClass::OutOfMemory),
    ("cannot allocate memory", FailureClass::OutOfMemory),
    ("embree: out of memory", FailureClass::OutOfMemory),
    ("embree out of memory", FailureClass::OutOfMemory),
];

const EXPLAINING: &[(&str, FailureClass)] = &[
    ("no space left on device", FailureClass::DiskFull),
    ("disk quota exceeded", FailureClass::DiskFull),
    ("file too large", FailureClass::DiskFull),
    ("cannot save: ", FailureClass::NoOutputWritten),
    ("memoryerror", FailureClass::OutOfMemory),
    ("out of memory", FailureClass::OutOfMemory),
    ("no camera found", FailureClass::NoCamera),
    ("cannot render, no camera", FailureClass::NoCamera),
    ("all render layers are disabled", FailureClass::BadScene),
    ("no render output node in scene", FailureClass::BadScene),
    ("unable to open a display", FailureClass::EngineNotAvailable),
    ("failed to create opengl context", FailureClass::EngineNotAvailable),
    ("no gpu context", FailureClass::EngineNotAvailable),
    ("embree error", FailureClass::Crash),
    ("segmentation fault", FailureClass::Crash),
    (".crash.txt", FailureClass::Crash),
];

/// Reads one line of output.
#[must_use]
pub fn read_line(line: &str) -> Line {
    let line = without_prefix(line.trim());
    if line.is_empty() {
        return Line::Empty;
    }
    if line.starts_with("Fra:") {
        return Line::Stats(read_stats(line));
    }
    if let Some(path) = line.strip_prefix("Saved: ") {
        return Line::Saved { path: path.trim_matches(['\'', '"']).to_owned() };
    }
    symptom_of(line).map_or(Line::Other, Line::Symptom)
}

/// The first sign of a failure in a text.
#[must_use]
pub fn symptom_of(text: &str) -> Option<Symptom> {
    let text = text.to_lowercase();
    let find = |table: &[(&str, FailureClass)], fatal| {
        table.iter().find(|(sign, _)| text.contains(sign)).map(|(_, class)| Symptom { class: *class, fatal })
    };
    find(FATAL, true).or_else(|| find(EXPLAINING, false))
}

/// Reads the text of the `render_stats` handler, or a `Fra:` line.
#[must_use]
pub fn read_stats(text: &str) -> Stats {
    let mut stats = Stats::default();
    let mut words = Vec::new();
    let from_output = text.starts_with("Fra:");
    for part in text.split('|').map(str::trim) {
        if let Some(time) = part.strip_prefix("Remaining:") {
            stats.remaining = read_time(time.trim());
        } else if part.starts_with("Mem:") {
            stats.peak_bytes =
                part.split_once("Peak:").and_then(|(_, size)| read_size(size)).or(stats.peak_bytes);
        } else if part.starts_with("Fra:") || part.starts_with("Time:") {
            let peak = part.split_once("(Peak ").and_then(|(_, rest)| read_size(rest.trim_end_matches(')')));
            stats.peak_bytes = peak.or(stats.peak_bytes);
        } else if let Some(samples) = read_samples(part) {
            (stats.tiles, stats.samples) = samples;
            words.push(part);
        } else if !part.is_empty() {
            words.push(part);
        }
    }
    // The first of the words is "Scene, ViewLayer" then.
    if from_output && words.len() > 1 && words[0].contains(", ") {
        words.remove(0);
    }
    stats.text = (!words.is_empty()).then(|| words.join(" | "));
    stats
}

type TilesAndSamples = (Option<(u32, u32)>, Option<(u32, u32)>);

/// `Sample 1/4`, `Rendered 1/4 Tiles, Sample 3/32`, `Rendering 5 / 64 samples`.
fn read_samples(part: &str) -> Option<TilesAndSamples> {
    if let Some(rest) = part.strip_prefix("Rendered ") {
        let (tiles, rest) = rest.split_once(" Tiles")?;
        return Some((
            read_ratio(tiles),
            rest.split_once("Sample ").and_then(|(_, ratio)| read_ratio(ratio)),
        ));
    }
    if let Some(ratio) = part.strip_prefix("Sample ") {
        return read_ratio(ratio).map(|samples| (None, Some(samples)));
    }
    let ratio = part.strip_prefix("Rendering ")?.strip_suffix("samples")?;
    read_ratio(ratio).map(|samples| (None, Some(samples)))
}

fn read_ratio(text: &str) -> Option<(u32, u32)> {
    let (done, all) = text.split_once('/')?;
    let ratio = (done.trim().parse().ok()?, all.trim().parse().ok()?);
    (ratio.1 > 0).then_some(ratio)
}

/// `00:03.07` or `01:00:03.07`.
fn read_time(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = whole.split(':').try_fold(0_u64, |sum, part| {
        part.parse::<u64>().ok().and_then(|value| sum.checked_mul(60)?.checked_add(value))
    })?;
    let hundredths: u64 = fraction.parse().ok()?;
    seconds.checked_mul(1000)?.checked_add(hundredths.checked_mul(10)?).map(Millis)
}

/// `9.12M`, `1.5G`, `200K`, `8M`.
fn read_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = match text.bytes().last()? {
        b'K' => 1024.0,
        b'M' => 1024.0 * 1024.0,
        b'G' => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = text[..text.len() - 1].parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // finite, not negative, far below 2^63
    (number.is_finite() && (0.0..1e9).contains(&number)).then_some((number * unit) as u64)
}

/// Without the time and category that 5.x puts before what it says.
fn without_prefix(line: &str) -> &str {
    let Some((head, rest)) = line.split_once(" | ") else { return line };
    let mut words = head.split_whitespace();
    let (Some(first), second, None) = (words.next(), words.next(), words.next()) else { return line };
    let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(':');
    let is_category =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_');
    let prefixed = match second {
        Some(category) => is_time(first) && is_category(category),
        None => is_category(first),
    };
    if prefixed { rest.trim_start() } else { line }
}
