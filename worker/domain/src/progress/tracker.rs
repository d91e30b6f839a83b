//! Turns samples into a part done that only rises within a frame.

use super::line::Stats;

/// The frame underway.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    layers: u32,
    layer: u32,
    tile: u32,
    sample: u32,
    /// Samples that count for the tile; fewer than `sample` where those were the last tile's.
    counted: u32,
    done: Option<f32>,
}

impl Tracker {
    /// A frame with this many view layers, which are rendered one after the other.
    #[must_use]
    pub fn new(layers: u32) -> Self {
        Self { layers: layers.max(1), layer: 0, tile: 0, sample: 0, counted: 0, done: None }
    }

    /// Takes the newest numbers; answers the part done, 0 to 1, or nothing while none is known.
    pub fn observe(&mut self, stats: &Stats) -> Option<f32> {
        let Some((sample, samples)) = stats.samples else { return self.done };
        let (tile, tiles) = stats.tiles.unwrap_or((0, 1));
        // Tiles begin anew, or samples where there are none: the next layer.
        let begins_anew = tile < self.tile || (tiles == 1 && sample < self.sample);
        if begins_anew && self.layer + 1 < self.layers {
            self.layer += 1;
        }
        if (tile, sample) != (self.tile, self.sample) {
            // With the last sample of one tile Blender counts the tile, and says so before the next begins.
            let is_of_the_last = tile > self.tile && sample >= samples;
            self.counted = if is_of_the_last { 0 } else { sample };
            (self.tile, self.sample) = (tile, sample);
        }
        let all = f64::from(tiles) * f64::from(samples);
        let position = f64::from(tile) * f64::from(samples) + f64::from(self.counted);
        let of_layer = (position / all).clamp(0.0, 1.0);
        #[allow(clippy::cast_possible_truncation)] // a part between 0 and 1
        let done = ((f64::from(self.layer) + of_layer) / f64::from(self.layers)) as f32;
        self.done = Some(self.done.map_or(done, |before| before.max(done)));
        self.done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stats(sample: u32, of: u32, tiles: Option<(u32, u32)>) -> Stats {
        Stats { samples: Some((sample, of)), tiles, ..Stats::default() }
    }

    fn after(layers: u32, heard: &[Stats]) -> Tracker {
        let mut tracker = Tracker::new(layers);
        for stats in heard {
            tracker.observe(stats);
        }
        tracker
    }

    #[test]
    fn every_state_meets_every_event() {
        let states = [
            ("nothing known", after(1, &[])),
            ("half of the only layer", after(1, &[stats(2, 4, None)])),
            ("half of the first of two layers", after(2, &[stats(2, 4, None)])),
            ("all of the first of two layers", after(2, &[stats(4, 4, None)])),
            ("half of the last layer", after(2, &[stats(4, 4, None), stats(2, 4, None)])),
            ("second of four tiles", after(1, &[stats(2, 4, Some((1, 4)))])),
            ("all done", after(1, &[stats(4, 4, None)])),
        ];
        let events = [
            ("no numbers", Stats::default()),
            ("first sample", stats(0, 4, None)),
            ("sample 3 of 4", stats(3, 4, None)),
            ("last sample", stats(4, 4, None)),
            ("more samples than there are", stats(9, 4, None)),
            ("third of four tiles", stats(0, 4, Some((2, 4)))),
        ];
        let mut table = String::new();
        for (state, tracker) in &states {
            for (event, stats) in &events {
                let mut tracker = tracker.clone();
                let done = tracker.observe(stats).map_or("unknown".to_owned(), |done| format!("{done:.3}"));
                table.push_str(&format!("{state} | {event} | {done}\n"));
            }
        }
        insta::assert_snapshot!(table);
    }

    proptest! {
        #[test]
        fn the_part_done_is_a_part_and_never_falls(
            layers in 0u32..5,
            heard in prop::collection::vec((0u32..20, 1u32..16, prop::option::of((0u32..9, 1u32..9))), 1..60),
        ) {
            let mut tracker = Tracker::new(layers);
            let mut before = 0.0;
            for (sample, of, tiles) in heard {
                let done = tracker.observe(&stats(sample, of, tiles)).unwrap();
                prop_assert!((before..=1.0).contains(&done), "{before} then {done}");
                before = done;
            }
        }
    }
}
