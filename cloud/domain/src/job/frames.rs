//! Sets of frames: what a person writes (`1-240`, `1-240x2`, `1,5,9-20`, `-10--1`) and what the farm counts
//! with.
//!
//! A set is kept as runs, not as numbers: a job of 250,000 frames costs a few bytes, and cutting tasks off
//! its front costs nothing. Overlaps and repetitions are allowed in the text and vanish. The text that comes
//! out is canonical: two equal sets have the same text.

use std::fmt;
use std::str::FromStr;

use pictor_actors::limits::FRAMES_PER_JOB_MAX;

/// Blender's own bounds for a frame number.
pub const FRAME_NUMBER_MAX: i32 = 1_048_574;
/// Runs of a set: bounds its memory and its canonical text, which overlapping steps can make long.
pub const RUNS_MAX: usize = 5_000;
/// Characters of an expression; bounds the work of reading it. The canonical text of every set fits, or what
/// was stored could not be read again: the longest run is `-1048574--1000000x48574` and a comma, under 26.
pub const EXPRESSION_CHARS_MAX: usize = RUNS_MAX * 26;

/// Equally spaced frames, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    first: i32,
    step: i32,
    count: u32,
    /// Frames of the set before this run.
    before: u32,
}

impl Run {
    fn nth(self, index: u32) -> i32 {
        self.first + self.step * i32::try_from(index).unwrap_or(0)
    }

    fn last(self) -> i32 {
        self.nth(self.count - 1)
    }
}

/// At least one frame and at most [`FRAMES_PER_JOB_MAX`], ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSet {
    runs: Vec<Run>,
    len: u32,
}

/// Why a text is not a set of frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Nothing between two commas, or nothing at all.
    #[error("no frame is named; write for example 1-240, 1-240x2 or 1,5,9-20")]
    Empty,
    /// A piece is no number and no range.
    #[error("{piece:?} is neither a frame nor a range; write for example 12, 1-240 or 1-240x2")]
    NotARange {
        /// The piece, cut to 40 characters.
        piece: String,
    },
    /// The range's end lies before its start.
    #[error("the range {first}-{last} runs backwards; write {last}-{first}")]
    Backwards {
        /// Its start as written.
        first: i32,
        /// Its end as written.
        last: i32,
    },
    /// A step of nothing.
    #[error("the step of {piece:?} is 0; the smallest step is 1")]
    ZeroStep {
        /// The piece, cut to 40 characters.
        piece: String,
    },
    /// Beyond what Blender knows.
    #[error("frame {frame} is out of Blender's range of -{FRAME_NUMBER_MAX} to {FRAME_NUMBER_MAX}")]
    OutOfRange {
        /// The number as written.
        frame: i64,
    },
    /// Above [`FRAMES_PER_JOB_MAX`].
    #[error("more than {FRAMES_PER_JOB_MAX} frames are named; submit them as several jobs")]
    TooMany,
    /// Above [`EXPRESSION_CHARS_MAX`] or [`RUNS_MAX`].
    #[error("the frames are too scattered: at most {RUNS_MAX} ranges and {EXPRESSION_CHARS_MAX} characters")]
    TooScattered,
}

impl FrameSet {
    /// The set of these frames in any order, repetitions allowed.
    ///
    /// # Errors
    /// As for a text: none named, too many, too scattered, out of range.
    pub fn from_frames(frames: impl IntoIterator<Item = i32>) -> Result<Self, FrameError> {
        let mut numbers = Vec::new();
        for frame in frames {
            if frame.abs() > FRAME_NUMBER_MAX {
                return Err(FrameError::OutOfRange { frame: i64::from(frame) });
            }
            numbers.push(frame);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Self::from_ascending(&numbers)
    }

    /// Every frame from `first` to `last`, which must not lie before it.
    ///
    /// # Errors
    /// As for the text `first-lastxstep`.
    pub fn range(first: i32, last: i32, step: u32) -> Result<Self, FrameError> {
        format!("{first}-{last}x{step}").parse()
    }

    fn from_ascending(numbers: &[i32]) -> Result<Self, FrameError> {
        if numbers.is_empty() {
            return Err(FrameError::Empty);
        }
        if numbers.len() > FRAMES_PER_JOB_MAX {
            return Err(FrameError::TooMany);
        }
        let runs = runs_of(numbers);
        if runs.len() > RUNS_MAX {
            return Err(FrameError::TooScattered);
        }
        Ok(Self { runs, len: u32::try_from(numbers.len()).unwrap_or(u32::MAX) })
    }

    /// How many frames; never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a set is never empty
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// The smallest frame.
    #[must_use]
    pub fn first(&self) -> i32 {
        self.runs.first().map_or(0, |run| run.first)
    }

    /// The largest frame.
    #[must_use]
    pub fn last(&self) -> i32 {
        self.runs.last().map_or(0, |run| run.last())
    }

    /// The frames, ascending.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.runs.iter().flat_map(|run| (0..run.count).map(|index| run.nth(index)))
    }

    /// Whether a frame is one of them.
    #[must_use]
    pub fn contains(&self, frame: i32) -> bool {
        let at = self.runs.partition_point(|run| run.first <= frame);
        // Runs of a step above 1 may interleave with nothing (they are cut from ascending numbers), so only
        // the run that starts last at or before the frame can hold it.
        at.checked_sub(1)
            .and_then(|index| self.runs.get(index))
            .is_some_and(|run| frame <= run.last() && (frame - run.first) % run.step == 0)
    }

    /// The `count` frames after the first `skip`; nothing where there is none. Costs the number of runs and
    /// of frames taken, not of frames left out.
    #[must_use]
    pub fn slice(&self, skip: u32, count: u32) -> Option<Self> {
        let end = skip.saturating_add(count).min(self.len);
        let mut taken = Vec::new();
        for run in &self.runs {
            let (from, to) = (skip.max(run.before), end.min(run.before + run.count));
            taken.extend((from..to).map(|index| run.nth(index - run.before)));
        }
        // A piece of a run may join its neighbours differently: cut anew, so that equal sets stay equal.
        Self::from_ascending(&taken).ok()
    }
}

/// Consecutive frames first, then equal steps among what stands alone: `1,5,9-20` stays as it was written.
fn runs_of(numbers: &[i32]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let run_len = consecutive(rest);
        let (step, count) = if run_len > 1 { (1, run_len) } else { stepped(rest) };
        let before = u32::try_from(numbers.len() - rest.len()).unwrap_or(u32::MAX);
        runs.push(Run { first, step, count: u32::try_from(count).unwrap_or(u32::MAX), before });
        rest = rest.get(count..).unwrap_or_default();
    }
    runs
}

fn consecutive(numbers: &[i32]) -> usize {
    1 + numbers.windows(2).take_while(|pair| pair[1] - pair[0] == 1).count()
}

/// Step and length of the run that starts here: three or more equal steps whose frames stand alone, else one
/// frame.
fn stepped(numbers: &[i32]) -> (i32, usize) {
    let Some(step) = numbers.get(1).map(|second| second - numbers[0]) else { return (1, 1) };
    let mut count = 1;
    while let (Some(here), Some(next)) = (numbers.get(count - 1), numbers.get(count)) {
        let next_is_consecutive = numbers.get(count + 1).is_some_and(|after| after - next == 1);
        if next - here != step || next_is_consecutive {
            break;
        }
        count += 1;
    }
    if count >= 3 { (step, count) } else { (1, 1) }
}

impl fmt::Display for FrameSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, run) in self.runs.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match (run.count, run.step) {
                (1, _) => write!(f, "{}", run.first)?,
                (_, 1) => write!(f, "{}-{}", run.first, run.last())?,
                (_, step) => write!(f, "{}-{}x{step}", run.first, run.last())?,
            }
        }
        Ok(())
    }
}

impl FromStr for FrameSet {
    type Err = FrameError;

    fn from_str(text: &str) -> Result<Self, FrameError> {
        if text.len() > EXPRESSION_CHARS_MAX {
            return Err(FrameError::TooScattered);
        }
        let mut numbers = Vec::new();
        for piece in text.split(',') {
            let (first, last, step) = read_piece(piece.trim())?;
            let count = ((i64::from(last) - i64::from(first)) / i64::from(step) + 1).unsigned_abs();
            // Bounds the memory before it is taken; overlapping pieces may name a frame a few times.
            if numbers.len() as u64 + count > 4 * FRAMES_PER_JOB_MAX as u64 {
                return Err(FrameError::TooMany);
            }
            numbers
                .extend((0..count).filter_map(|index| i32::try_from(index).ok()).map(|i| first + i * step));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Self::from_ascending(&numbers)
    }
}

/// First, last and step of `12`, `1-240` or `1-240x2`.
fn read_piece(piece: &str) -> Result<(i32, i32, i32), FrameError> {
    let not_a_range = || FrameError::NotARange { piece: piece.chars().take(40).collect() };
    if piece.is_empty() {
        return Err(FrameError::Empty);
    }
    let (range, step) = match piece.split_once(['x', 'X']) {
        Some((range, step)) => (range.trim(), Some(step.trim())),
        None => (piece, None),
    };
    // A leading minus belongs to the first number, so the dash of the range is looked for after it.
    let dash = range.char_indices().skip(1).find(|(_, letter)| *letter == '-').map(|(at, _)| at);
    let Some(dash) = dash else {
        let frame = read_frame(range).ok_or_else(not_a_range)??;
        return if step.is_some() { Err(not_a_range()) } else { Ok((frame, frame, 1)) };
    };
    let first = read_frame(range[..dash].trim()).ok_or_else(not_a_range)??;
    let last = read_frame(range[dash + 1..].trim()).ok_or_else(not_a_range)??;
    let step = match step {
        None => 1,
        Some(text) if text.bytes().all(|digit| digit.is_ascii_digit()) => {
            text.parse::<i32>().map_err(|_| not_a_range())?
        }
        Some(_) => return Err(not_a_range()),
    };
    match step {
        0 => Err(FrameError::ZeroStep { piece: piece.chars().take(40).collect() }),
        _ if last < first => Err(FrameError::Backwards { first, last }),
        _ => Ok((first, last, step.min(2 * FRAME_NUMBER_MAX))),
    }
}

/// The number, or nothing where the text is none.
fn read_frame(text: &str) -> Option<Result<i32, FrameError>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let frame = text.parse::<i64>().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX });
    Some(match i32::try_from(frame) {
        Ok(number) if number.abs() <= FRAME_NUMBER_MAX => Ok(number),
        Ok(_) | Err(_) => Err(FrameError::OutOfRange { frame }),
    })
}
