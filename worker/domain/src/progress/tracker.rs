//! Turns samples into a part done that only rises within a frame.

use super::line::Stats;

/// The frame underway.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    layers: u32,
    layer: u32,
    sample: u32,
    done: Option<f32>,
}

impl Tracker {
    /// A frame with this many view layers, which are rendered one after the other.
    #[must_use]
    pub fn new(layers: u32) -> Self {
        Self { layers: layers.max(1), layer: 0, sample: 0, done: None }
    }

    /// Takes the newest numbers; answers the part done, 0 to 1, or nothing while none is known.
    pub fn observe(&mut self, stats: &Stats) -> Option<f32> {
        let Some((sample, samples)) = stats.samples else { return self.done };
        let tiles = stats.tiles.unwrap_or((0, 1));
        let position = tiles.0.saturating_mul(samples).saturating_add(sample);
        // Samples begin anew: the next layer.
        if position < self.sample && self.layer + 1 < self.layers {
            self.layer += 1;
        }
        self.sample = position;
        let all = f64::from(tiles.1) * f64::from(samples);
        let of_layer = (f64::from(position) / all).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation)] // a part between 0 and 1
        let done = ((f64::from(self.layer) + of_layer) / f64::from(self.layers)) as f32;
        self.done = Some(self.done.map_or(done, |before| before.max(done)));
        self.done
    }
}
