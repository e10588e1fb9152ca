//! Simple posters: a gradient, shapes that follow from the prompt, and the word SIMULATED across them.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{Rgb, RgbImage};

use crate::provider::author::Chance;

/// What stands on every poster.
const MARK: &str = "SIMULATED";
/// Letters are so many dots wide and high, with one dot between them.
const LETTER_COLUMNS: u32 = 5;
const LETTER_ROWS: u32 = 7;
/// Shapes of a finished poster.
const SHAPES: u64 = 6;
/// The band with the mark takes a fifth of the height, from three fifths on.
const BAND_FIFTH: u32 = 3;
const BAND: Rgb<u8> = Rgb([20, 20, 24]);
const INK: Rgb<u8> = Rgb([250, 250, 245]);

/// How a poster is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageFormat {
    Png,
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// Lossless.
    WebP,
}

impl ImageFormat {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg { .. } => "jpeg",
            Self::WebP => "webp",
        }
    }
}

/// A poster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poster {
    pub(super) width: u32,
    pub(super) height: u32,
    /// What it looks like.
    pub(super) chance: Chance,
    /// A sketch has as many shapes as its step says; none means that the poster is finished.
    pub(super) step: Option<u64>,
}

/// A circle on the poster.
struct Shape {
    x: i64,
    y: i64,
    radius: i64,
    colour: Rgb<u8>,
}

impl Poster {
    /// The poster as a file.
    pub(super) fn encode(self, format: ImageFormat) -> Vec<u8> {
        let picture = self.paint();
        let mut file = Cursor::new(Vec::new());
        let encoded = match format {
            ImageFormat::Png => picture.write_with_encoder(PngEncoder::new(&mut file)),
            ImageFormat::Jpeg { quality } => {
                picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))
            }
            ImageFormat::WebP => picture.write_with_encoder(WebPEncoder::new_lossless(&mut file)),
        };
        encoded.expect("a picture of a few million pixels fits every format, and memory takes every byte");
        file.into_inner()
    }

    fn paint(self) -> RgbImage {
        let (top, bottom) = (self.colour("top"), self.colour("bottom"));
        let shapes: Vec<Shape> = (0..self.step.unwrap_or(SHAPES))
            .map(|index| self.shape(index))
            .collect();
        let mut picture = RgbImage::from_fn(self.width, self.height, |x, y| {
            let inside = |shape: &&Shape| {
                let (dx, dy) = (i64::from(x) - shape.x, i64::from(y) - shape.y);
                dx * dx + dy * dy <= shape.radius * shape.radius
            };
            match shapes.iter().rev().find(inside) {
                Some(shape) => shape.colour,
                None => blend(top, bottom, y, self.height),
            }
        });
        self.mark(&mut picture);
        picture
    }

    fn shape(self, index: u64) -> Shape {
        let chance = self.chance.at(&format!("shape {index}"));
        let place = |key: &str, bound: u32| {
            let bound = usize::try_from(bound).unwrap_or(usize::MAX);
            i64::try_from(chance.at(key).below(bound)).unwrap_or(0)
        };
        Shape {
            x: place("x", self.width),
            y: place("y", self.height),
            radius: i64::from(self.height / 16) + place("radius", self.height / 6),
            colour: self.colour(&format!("shape {index}")),
        }
    }

    fn colour(self, key: &str) -> Rgb<u8> {
        let channel = |name: &str| u8::try_from(self.chance.at(key).at(name).below(256)).unwrap_or(0);
        Rgb([channel("red"), channel("green"), channel("blue")])
    }

    /// Writes the mark on a band across the picture.
    fn mark(self, picture: &mut RgbImage) {
        let letters = u32::try_from(MARK.len()).unwrap_or(u32::MAX);
        let columns = letters * (LETTER_COLUMNS + 1) - 1;
        // The mark leaves a tenth of the width free on each side.
        let dot = self.width * 8 / 10 / columns;
        let left = (self.width - columns * dot) / 2;
        let band = self.height / 5;
        let band_top = band * BAND_FIFTH;
        let top = band_top + (band - LETTER_ROWS * dot) / 2;
        for y in band_top..band_top + band {
            for x in 0..self.width {
                let is_ink = x >= left && y >= top && is_dot((x - left) / dot, (y - top) / dot);
                picture.put_pixel(x, y, if is_ink { INK } else { BAND });
            }
        }
    }
}

/// Whether there is ink at a dot of the mark.
fn is_dot(column: u32, row: u32) -> bool {
    let (letter, column) = (column / (LETTER_COLUMNS + 1), column % (LETTER_COLUMNS + 1));
    if column >= LETTER_COLUMNS || row >= LETTER_ROWS {
        return false;
    }
    let letter = usize::try_from(letter)
        .ok()
        .and_then(|at| MARK.as_bytes().get(at));
    let rows = letter.map_or([0; 7], |letter| glyph(*letter));
    let dots = usize::try_from(row).ok().and_then(|row| rows.get(row)).copied();
    dots.unwrap_or(0) >> (LETTER_COLUMNS - 1 - column) & 1 == 1
}

/// The rows of a letter, from the top, five bits each.
const fn glyph(letter: u8) -> [u8; 7] {
    match letter {
        b'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        b'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        b'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        b'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        b'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        b'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        b'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        b'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        b'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        _ => [0; 7],
    }
}

/// A colour between two, `at` of `of` steps on the way.
fn blend(from: Rgb<u8>, to: Rgb<u8>, at: u32, of: u32) -> Rgb<u8> {
    let mix = |channel: usize| {
        let (from, to) = (u32::from(from[channel]), u32::from(to[channel]));
        u8::try_from((from * (of - at) + to * at) / of).unwrap_or(u8::MAX)
    };
    Rgb([mix(0), mix(1), mix(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_can_be_read_back_and_bears_the_mark() {
        let poster = Poster {
            width: 192,
            height: 128,
            chance: Chance::new(3, "poster"),
            step: None,
        };
        for (format, expected) in [
            (ImageFormat::Png, image::ImageFormat::Png),
            (ImageFormat::Jpeg { quality: 90 }, image::ImageFormat::Jpeg),
            (ImageFormat::WebP, image::ImageFormat::WebP),
        ] {
            let file = poster.encode(format);
            assert_eq!(image::guess_format(&file).unwrap(), expected);
            let picture = image::load_from_memory(&file).unwrap().to_rgb8();
            assert_eq!((picture.width(), picture.height()), (192, 128));
            let bright = picture
                .enumerate_rows()
                .skip(75)
                .take(25)
                .flat_map(|(_, row)| row)
                .filter(|(_, _, pixel)| pixel.0.iter().all(|channel| *channel > 200))
                .count();
            assert!(bright > 200, "{format:?} shows {bright} pixels of ink");
        }
    }

    #[test]
    fn a_sketch_has_less_on_it() {
        let finished = Poster {
            width: 192,
            height: 128,
            chance: Chance::new(3, "poster"),
            step: None,
        };
        let sketch = Poster {
            step: Some(1),
            ..finished
        };
        assert_ne!(finished.encode(ImageFormat::Png), sketch.encode(ImageFormat::Png));
    }
}
