//! From scene-linear light to what a screen shows. Pure.
//!
//! Values up to a knee are kept as they are, so that a picture within the screen's range looks as it should;
//! what is brighter is bent towards white instead of being cut.

/// Where the bend begins.
const KNEE: f32 = 0.6;

/// One channel of light to one byte of sRGB. What is no number or below zero is black.
pub(super) fn to_screen(light: f32) -> u8 {
    // Also false for what is no number.
    let light = if light > 0.0 { light } else { 0.0 };
    let bent = if light <= KNEE {
        light
    } else {
        KNEE + (1.0 - KNEE) * (1.0 - (-(light - KNEE) / (1.0 - KNEE)).exp())
    };
    let encoded = if bent <= 0.003_130_8 { bent * 12.92 } else { 1.055 * bent.powf(1.0 / 2.4) - 0.055 };
    byte(encoded)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within 0 to 255 by the clamp
fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_values_are_kept_and_bright_ones_still_differ() {
        assert_eq!(to_screen(0.0), 0);
        assert_eq!(to_screen(0.18), 118, "middle grey as sRGB has it");
        assert!(to_screen(1.0) < to_screen(2.0) && to_screen(2.0) < 255);
        assert_eq!(to_screen(f32::INFINITY), 255);
        assert_eq!((to_screen(f32::NAN), to_screen(-3.0), to_screen(f32::NEG_INFINITY)), (0, 0, 0));
        let all: Vec<u8> = (0..4_000u16).map(|step| to_screen(f32::from(step) / 1_000.0)).collect();
        assert!(all.is_sorted());
    }
}
