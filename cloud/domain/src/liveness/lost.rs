//! How long a silent worker keeps a lease: longer where more would be lost with it.

use pictor_actors::units::Millis;

/// However long a frame takes, its lease is lost after this.
pub const LOST_AFTER_MAX: Millis = Millis::from_secs(600);

/// The silence after which a lease is lost: half of what a frame is expected to take, so that a Wi-Fi drop
/// does not cost a long one; at least `least`, also where nothing is known yet, at most ten minutes.
#[must_use]
pub fn lost_after(frame: Option<Millis>, least: Millis) -> Millis {
    let half = frame.map_or(Millis(0), |frame| Millis(frame.0 / 2));
    half.min(LOST_AFTER_MAX).max(least)
}
