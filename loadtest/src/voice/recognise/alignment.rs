//! How far two utterances are from each other when one may run a little ahead of the other.

use std::ops::Range;

use super::fingerprint::{FEATURES, Fingerprint};

/// How far the alignment may leave the diagonal: this part of the length, and at least so many frames.
const DRIFT: f32 = 0.06;
const DRIFT_FRAMES_MIN: usize = 12;
/// Frames that may be missing at either end of either utterance (100 ms): soft sounds that noise covers.
const LOOSE_FRAMES: usize = 10;
/// Lengths that differ by more are different utterances.
const LENGTH_RATIO_MAX: f32 = 1.12;
const LENGTH_DIFFERENCE_FRAMES: usize = 2 * LOOSE_FRAMES;

/// The stretch of an utterance in which a difference counts whole (250 ms): the length of a short word, so that two
/// sentences that differ in one word are not the same.
const WORD_FRAMES: usize = 25;
/// Features that are compared at once; every feature falls into a lane.
const LANES: usize = 8;
const _: () = assert!(FEATURES.is_multiple_of(LANES));

/// The best way to a cell.
#[derive(Debug, Clone, Copy)]
struct Way {
    cost: f32,
    /// The weight of the steps that it took.
    weight: f32,
    from: From,
}

/// Where a way comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    Both,
    Left,
    Right,
}

const NO_WAY: Way = Way {
    cost: f32::INFINITY,
    weight: 1.0,
    from: From::Start,
};

/// Whether two utterances are of so similar a length that they may be the same.
pub(super) fn may_be_same(left_frames: usize, right_frames: usize) -> bool {
    let (shorter, longer) = (left_frames.min(right_frames), left_frames.max(right_frames));
    longer <= shorter + LENGTH_DIFFERENCE_FRAMES.max((shorter as f32 * (LENGTH_RATIO_MAX - 1.0)) as usize)
}

/// How different the most different [`WORD_FRAMES`] are along the best alignment (dynamic time warping, symmetric
/// steps): 0 for the same recording, about 1.4 for frames that have nothing to do with each other. None when the
/// lengths rule it out.
pub(super) fn distance(left: &Fingerprint, right: &Fingerprint) -> Option<f32> {
    let (rows, columns) = (left.frames.len(), right.frames.len());
    if !may_be_same(rows, columns) {
        return None;
    }
    // Half of an utterance has to be there, however short it is.
    let loose = LOOSE_FRAMES.min(rows.min(columns) / 4);
    let mut ways = Ways::new(rows, columns);
    let mut best: Option<(f32, usize, usize)> = None;
    for row in 0..rows {
        for column in ways.columns_of(row) {
            let apart = frame_distance(&left.frames[row], &right.frames[column]);
            let mut way = NO_WAY;
            if (row == 0 && column <= loose) || (column == 0 && row <= loose) {
                way = Way {
                    cost: apart,
                    ..NO_WAY
                };
            }
            if column > 0 {
                way = way.or(ways.at(row, column - 1), From::Right, apart);
            }
            if row > 0 {
                way = way.or(ways.at(row - 1, column), From::Left, apart);
                if column > 0 {
                    way = way.or(ways.at(row - 1, column - 1), From::Both, apart);
                }
            }
            ways.set(row, column, way);
            let ends = (row + 1 == rows && column + 1 + loose >= columns)
                || (column + 1 == columns && row + 1 + loose >= rows);
            let mean = way.cost / way.weight;
            if ends && best.is_none_or(|(least, _, _)| mean < least) {
                best = Some((mean, row, column));
            }
        }
    }
    let (mean, row, column) = best.filter(|(mean, _, _)| mean.is_finite())?;
    Some(worst_stretch(&frames_apart(left, right, &ways, row, column)).unwrap_or(mean))
}

/// The best ways to the cells of a band around the diagonal; there are none to the cells outside of it, which take up
/// no memory.
struct Ways {
    rows: usize,
    columns: usize,
    drift: usize,
    cells: Vec<Way>,
}

impl Ways {
    fn new(rows: usize, columns: usize) -> Self {
        let drift =
            DRIFT_FRAMES_MIN.max((rows.max(columns) as f32 * DRIFT) as usize) + rows.abs_diff(columns) / 2;
        Self {
            rows,
            columns,
            drift,
            cells: vec![NO_WAY; rows * (2 * drift + 1)],
        }
    }

    fn columns_of(&self, row: usize) -> Range<usize> {
        let centre = self.centre(row);
        centre.saturating_sub(self.drift)..self.columns.min(centre + self.drift + 1)
    }

    fn at(&self, row: usize, column: usize) -> Way {
        self.cell(row, column).map_or(NO_WAY, |cell| self.cells[cell])
    }

    fn set(&mut self, row: usize, column: usize, way: Way) {
        if let Some(cell) = self.cell(row, column) {
            self.cells[cell] = way;
        }
    }

    fn centre(&self, row: usize) -> usize {
        row * self.columns / self.rows
    }

    fn cell(&self, row: usize, column: usize) -> Option<usize> {
        let in_band = (column + self.drift).checked_sub(self.centre(row))?;
        (in_band <= 2 * self.drift).then_some(row * (2 * self.drift + 1) + in_band)
    }
}

/// How far the frames are apart, from the end of the best alignment to its start.
fn frames_apart(left: &Fingerprint, right: &Fingerprint, ways: &Ways, row: usize, column: usize) -> Vec<f32> {
    let (mut row, mut column) = (row, column);
    let mut apart = Vec::with_capacity(ways.rows + ways.columns);
    loop {
        apart.push(frame_distance(&left.frames[row], &right.frames[column]));
        match ways.at(row, column).from {
            From::Start => return apart,
            From::Both => (row, column) = (row - 1, column - 1),
            From::Left => row -= 1,
            From::Right => column -= 1,
        }
    }
}

/// The highest mean of a stretch; none when the whole is shorter than that.
fn worst_stretch(apart: &[f32]) -> Option<f32> {
    apart
        .windows(WORD_FRAMES)
        .map(|stretch| stretch.iter().sum::<f32>() / WORD_FRAMES as f32)
        .max_by(f32::total_cmp)
}

impl Way {
    /// This way, or the one that goes on from another cell, whichever costs less.
    fn or(self, before: Self, from: From, apart: f32) -> Self {
        // A step that moves on in both is worth two that move on in one.
        let weight = if from == From::Both { 2.0 } else { 1.0 };
        let cost = before.cost + apart * weight;
        if cost < self.cost {
            Self {
                cost,
                weight: before.weight + weight,
                from,
            }
        } else {
            self
        }
    }
}

/// The root of the mean square, summed in lanes that a processor adds at once.
fn frame_distance(left: &[f32; FEATURES], right: &[f32; FEATURES]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum += (left - right) * (left - right);
        }
    }
    (sums.iter().sum::<f32>() / FEATURES as f32).sqrt()
}
