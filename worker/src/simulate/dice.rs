//! Chance from a seed, so that a run can be had again: splitmix64. Never a secret.

use pictor_actors::units::Millis;

/// A sequence of numbers that its seed decides.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed for one of many, which share nothing.
    #[must_use]
    pub fn new(seed: u64, one_of_many: u64) -> Self {
        let mut dice = Self(seed ^ one_of_many.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.roll();
        dice
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to under 1.
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of `of`; nothing of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let number = self.roll() % u64::try_from(of.len().max(1)).unwrap_or(1);
        of.get(usize::try_from(number).unwrap_or(0))
    }

    /// `mean`, more or less by up to the part `spread` of it.
    pub fn around(&mut self, mean: Millis, spread: f64) -> Millis {
        scaled(mean, 1.0 + spread * (self.part() * 2.0 - 1.0))
    }

    /// How long until something that happens every `mean` on average, at no particular time.
    pub fn wait(&mut self, mean: Millis) -> Millis {
        scaled(mean, -(1.0 - self.part()).ln())
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scaled(mean: Millis, by: f64) -> Millis {
    Millis((mean.0 as f64 * by.max(0.0)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_neighbours_differ() {
        let draw = |seed, one| {
            let mut dice = Dice::new(seed, one);
            [dice.roll(), dice.roll()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn waits_have_their_mean_and_lengths_their_spread() {
        let mut dice = Dice::new(7, 0);
        let sum: u64 = (0..10_000).map(|_| dice.wait(Millis(1_000)).0).sum();
        assert!((950..1_050).contains(&(sum / 10_000)), "{sum}");
        for _ in 0..1_000 {
            assert!((700..=1_300).contains(&dice.around(Millis(1_000), 0.3).0));
            assert_eq!(dice.around(Millis(1_000), 0.0), Millis(1_000));
        }
    }
}
