//! Choices that look arbitrary and are a pure function of a seed and a text.

/// A source of choices: the same seed and the same keys always choose the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64, text: &str) -> Self {
        Self(mix(fnv1a(seed ^ 0xcbf2_9ce4_8422_2325, text.as_bytes())))
    }

    /// An independent source for a part of what is chosen.
    pub(crate) fn at(self, key: &str) -> Self {
        Self(mix(fnv1a(self.0, key.as_bytes())))
    }

    /// A number below `bound`; zero for a bound of zero.
    pub(crate) fn below(self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0 % bound).unwrap_or(0)
    }

    /// A number from 0 to 1 with three decimals.
    pub(crate) fn unit(self) -> f64 {
        let thousandths = u32::try_from(self.0 % 1_001).unwrap_or(0);
        f64::from(thousandths) / 1_000.0
    }

    /// Sixteen lowercase hexadecimal digits.
    pub(crate) fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

fn fnv1a(basis: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(basis, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finalizer of splitmix64: spreads every bit over all others.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
