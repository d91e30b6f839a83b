//! Progress on a terminal's standard error; nothing in a pipe.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two turns of what shows that something lasts.
const TURN_EVERY: Duration = Duration::from_millis(150);

/// A bar, or nothing where nobody looks.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar over bytes.
    pub fn bytes(label: &str, size: u64, is_quiet: bool) -> Self {
        let style = "{prefix:>10} {wide_bar:.cyan/dim} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        Self::new(label, size, style, is_quiet)
    }

    /// A bar over frames.
    pub fn frames(label: &str, count: u64, is_quiet: bool) -> Self {
        Self::new(label, count, "{prefix:>10} {wide_bar:.cyan/dim} {pos}/{len} frames {msg}", is_quiet)
    }

    /// Something that lasts and does not say how far it is.
    pub fn words(label: &str, words: &str, is_quiet: bool) -> Self {
        let bar = Self::new(label, 0, "{prefix:>10} {spinner} {msg} {elapsed}", is_quiet);
        bar.0.set_message(words.to_owned());
        bar.0.enable_steady_tick(TURN_EVERY);
        bar
    }

    fn new(label: &str, length: u64, style: &str, is_quiet: bool) -> Self {
        let target = if is_quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("━━─"));
        }
        bar.set_prefix(label.to_owned());
        Self(bar)
    }

    /// So much more is done.
    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// So much is done, with words about it.
    pub fn set(&self, done: u64, words: &str) {
        self.0.set_position(done);
        self.0.set_message(words.to_owned());
    }

    /// It is over; the bar goes.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
