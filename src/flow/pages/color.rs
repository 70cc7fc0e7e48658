//! Colors, and their contrast (WCAG 2.2, 1.4.3).

use std::fmt;

/// A color of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color([u8; 3]);

const WHITE: Color = Color([0xff; 3]);
const INK: Color = Color([0x0b, 0x0c, 0x0f]);
/// The contrast of text.
const READABLE: f64 = 4.6;

impl Color {
    pub(super) const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Parses `#rgb` or `#rrggbb`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#')?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let short = |at: usize| u8::from_str_radix(hex.get(at..=at)?, 16).ok().map(|own| own * 17);
        let long = |at: usize| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok();
        match hex.len() {
            3 => Some(Self([short(0)?, short(1)?, short(2)?])),
            6 => Some(Self([long(0)?, long(1)?, long(2)?])),
            _ => None,
        }
    }

    /// Returns the custom properties of an accent on a background: the accent of buttons, the text
    /// on them, and the accent of text.
    pub(super) fn properties(self, background: Self) -> String {
        let on = if self.contrast(WHITE) >= READABLE { WHITE } else { INK };
        let accent = self.readable_under(on);
        let text = self.readable_on(background);
        format!("--accent:{accent};--on-accent:{on};--accent-text:{text}")
    }

    /// Returns this color, mixed with white or black until text of it is readable.
    fn readable_on(self, background: Self) -> Self {
        let toward = if background.luminance() > 0.18 { INK } else { WHITE };
        self.mixed_until(toward, |own| own.contrast(background) >= READABLE)
    }

    /// Returns this color, mixed away from a text color until that is readable on it.
    fn readable_under(self, text: Self) -> Self {
        let toward = if text == WHITE { INK } else { WHITE };
        self.mixed_until(toward, |own| own.contrast(text) >= READABLE)
    }

    fn mixed_until(self, toward: Self, is_good: impl Fn(Self) -> bool) -> Self {
        let steps = (0..=20_u8).map(|step| self.mix(toward, f64::from(step) / 20.0));
        steps.into_iter().find(|own| is_good(*own)).unwrap_or(toward)
    }

    fn mix(self, other: Self, part: f64) -> Self {
        let mut mixed = self;
        for (own, other) in mixed.0.iter_mut().zip(other.0) {
            let value = f64::from(*own) * (1.0 - part) + f64::from(other) * part;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between two bytes"
            )]
            let value = value.round() as u8;
            *own = value;
        }
        mixed
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(two) / one.min(two)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|own| {
            let own = f64::from(own) / 255.0;
            if own <= 0.04045 { own / 12.92 } else { ((own + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_parsed() {
        assert_eq!(Color::parse("#0a7"), Color::parse("#00aa77"));
        for bad in ["", "#", "0a7", "#0a77", "#ggg", "#+1+2+3", "red"] {
            assert_eq!(Color::parse(bad), None, "{bad}");
        }
    }

    /// WCAG 2.2, 1.4.3: the contrast of black and white is 21:1.
    #[test]
    fn text_of_every_accent_is_readable() {
        let (white, black) = (Color::new(255, 255, 255), Color::new(0, 0, 0));
        assert!((white.contrast(black) - 21.0).abs() < 1e-9);
        for text in ["#000", "#fff", "#0a7", "#ff0", "#f00", "#00f", "#2f5bea", "#777", "#e91e63"] {
            let accent = Color::parse(text).unwrap();
            for background in [white, Color::new(0x17, 0x19, 0x1e)] {
                assert!(accent.readable_on(background).contrast(background) >= 4.5, "{text}");
            }
            for on in [WHITE, INK] {
                assert!(accent.readable_under(on).contrast(on) >= 4.5, "{text}");
            }
        }
    }
}
