//! Colours of a theme, moved until they can be read (WCAG 2.2 1.4.3). It knows nothing of where they are used.

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour([u8; 3]);

/// What people with ordinary sight can read (WCAG 2.2 1.4.3), with a little to spare for rounding.
const ENOUGH: f64 = 4.6;

impl Colour {
    pub const WHITE: Self = Self([255; 3]);
    pub const BLACK: Self = Self([0; 3]);

    /// Six hexadecimal digits.
    pub const fn rgb(colour: u32) -> Self {
        let [_, red, green, blue] = colour.to_be_bytes();
        Self([red, green, blue])
    }

    /// `#rgb` or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(digits, 16).ok()?;
        match digits.len() {
            6 => Some(Self::rgb(number)),
            3 => Some(Self([number >> 8, number >> 4 & 15, number & 15].map(|digit| (digit * 17) as u8))),
            _ => None,
        }
    }

    /// Six hexadecimal digits.
    pub fn digits(self) -> String {
        let Self([red, green, blue]) = self;
        format!("{red:02x}{green:02x}{blue:02x}")
    }

    /// The contrast ratio, from 1 to 21 (WCAG 2.2).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// This colour, moved towards `end` no further than it must be to be read on each of `grounds`.
    pub fn readable_on(self, grounds: &[Self], end: Self) -> Self {
        let reads = |colour: &Self| grounds.iter().all(|ground| colour.contrast(*ground) >= ENOUGH);
        (0..=50).map(|step| self.towards(end, f64::from(step) / 50.0)).find(reads).unwrap_or(end)
    }

    fn towards(self, end: Self, share: f64) -> Self {
        let mix = |own: u8, other: u8| (f64::from(own) + (f64::from(other) - f64::from(own)) * share).round() as u8;
        Self(std::array::from_fn(|at| mix(self.0[at], end.0[at])))
    }

    fn luminance(self) -> f64 {
        let linear = self.0.map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // WCAG 2.2 1.4.3
    #[test]
    fn contrast_is_measured_as_the_guidelines_say() {
        assert!((Colour::WHITE.contrast(Colour::BLACK) - 21.0).abs() < 1e-9);
        // The lightest grey that still reads on white.
        let grey = Colour::parse("#767676").unwrap();
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01);
    }

    // UX 17
    #[test]
    fn a_colour_that_cannot_be_read_is_moved_until_it_can() {
        for text in ["#ffffff", "#ff0", "#00ffff", "#808080", "#000", "#7f00ff"] {
            let colour = Colour::parse(text).unwrap();
            let light = colour.readable_on(&[Colour::WHITE], Colour::BLACK);
            let dark = colour.readable_on(&[Colour::BLACK], Colour::WHITE);
            assert!(light.contrast(Colour::WHITE) >= 4.5 && dark.contrast(Colour::BLACK) >= 4.5, "{text}");
        }
        let blue = Colour::rgb(0x00_40_a0);
        assert_eq!(blue.readable_on(&[Colour::WHITE], Colour::BLACK), blue, "one that reads stays");
    }

    #[test]
    fn colours_are_hexadecimal_and_nothing_else() {
        assert_eq!(Colour::parse("#0af"), Some(Colour::rgb(0x00_aa_ff)));
        assert_eq!(Colour::parse("#00AAFF").map(Colour::digits).as_deref(), Some("00aaff"));
        for text in ["red", "00aaff", "#", "#00aaf", "#+0aaff", "#00aaff;}", "#00aaff0", "url(//x)", "#ääb"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }
}
