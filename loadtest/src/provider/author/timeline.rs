//! The seconds of a video, divided among its parts without a gap, in tenths.

/// A length of time divided into equal parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    pub(super) seconds: f64,
    pub(super) parts: usize,
}

/// One part: from when until when, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    start: f64,
    end: f64,
}

impl Timeline {
    /// The `part`-th part; each begins where the one before it ends.
    pub(super) fn span(self, part: usize) -> Span {
        let parts = f64::from(u32::try_from(self.parts.max(1)).unwrap_or(u32::MAX));
        let boundary = |index: usize| {
            let index = f64::from(u32::try_from(index).unwrap_or(u32::MAX));
            (self.seconds * index / parts * 10.0).round() / 10.0
        };
        Span {
            start: boundary(part),
            end: boundary(part + 1),
        }
    }
}

impl Span {
    /// Whether a field says when something begins.
    pub(super) fn names_start(field: &str) -> bool {
        field == "from"
            || field.starts_with("start")
            || field.starts_with("begin")
            || field.ends_with("_start")
    }

    /// Whether a field says when something ends.
    pub(super) fn names_end(field: &str) -> bool {
        field == "to" || field == "until" || field.starts_with("end") || field.ends_with("_end")
    }

    /// The bound that a field names.
    pub(super) fn bound(self, field: &str) -> Option<f64> {
        if Self::names_start(field) {
            Some(self.start)
        } else if Self::names_end(field) {
            Some(self.end)
        } else {
            None
        }
    }
}
