//! Refuses Vorbis headers whose codebooks would unpack to far more than they are.
//!
//! A codebook of forty bytes may claim 16 MB of tables, and there may be 256 of them.

use super::DecodeError;

/// What headers may have; libvorbis writes about 4 KB.
const HEADER_BYTES_MAX: usize = 256 * 1024;
/// What all codebooks may unpack to, in values of four bytes; libvorbis' take less than half a million.
const TABLE_VALUES_MAX: u64 = 4 * 1024 * 1024;
/// What an entry takes beside its vector: its length, its code, and its place in the tree.
const VALUES_PER_ENTRY: u64 = 8;
/// What each codebook starts with, after which come its dimensions (16 bits) and entries (24 bits).
const CODEBOOK_SYNC: u64 = 0x0056_4342;
const SYNC_BITS: u32 = 24;
const DIMENSIONS_BITS: u32 = 16;
const ENTRIES_BITS: u32 = 24;

/// Looks for codebooks at every bit of the headers, so that it cannot be led past one.
pub(super) fn check(headers: &[u8]) -> Result<(), DecodeError> {
    if headers.len() > HEADER_BYTES_MAX || table_values(headers) > TABLE_VALUES_MAX {
        return Err(DecodeError::Damaged {
            reason: "its Vorbis headers are out of all proportion".to_owned(),
        });
    }
    Ok(())
}

fn table_values(headers: &[u8]) -> u64 {
    let mask = |bits: u32| (1_u64 << bits) - 1;
    let bits = headers
        .iter()
        .flat_map(|byte| (0..8).map(move |index| u64::from(byte >> index & 1)));
    let mut values = 0_u64;
    // The last 64 bits, the newest on top; the bits of Vorbis come lowest first.
    let mut window = 0_u64;
    for bit in bits {
        window = window >> 1 | bit << 63;
        let codebook = window >> (64 - SYNC_BITS - DIMENSIONS_BITS - ENTRIES_BITS);
        if codebook & mask(SYNC_BITS) == CODEBOOK_SYNC {
            let dimensions = codebook >> SYNC_BITS & mask(DIMENSIONS_BITS);
            let entries = codebook >> (SYNC_BITS + DIMENSIONS_BITS) & mask(ENTRIES_BITS);
            values = values.saturating_add(entries * (dimensions + VALUES_PER_ENTRY));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codebook(dimensions: u16, entries: u32) -> Vec<u8> {
        let mut bytes = vec![0x42, 0x43, 0x56];
        bytes.extend_from_slice(&dimensions.to_le_bytes());
        bytes.extend_from_slice(&entries.to_le_bytes()[..3]);
        bytes
    }

    #[test]
    fn codebooks_are_found_at_any_bit() {
        for shift in 0..8 {
            let mut shifted = vec![0_u8; 9];
            for (index, byte) in codebook(3, 100).into_iter().enumerate() {
                shifted[index] |= byte << shift;
                shifted[index + 1] |= byte.checked_shr(8 - shift).unwrap_or(0);
            }
            assert_eq!(table_values(&shifted), 100 * 11, "shifted by {shift}");
        }
    }

    #[test]
    fn many_small_claims_add_up_to_a_refusal() {
        let honest = codebook(8, 6_561).repeat(20);
        check(&honest).unwrap();
        let bomb = codebook(32, 128 * 1024).repeat(2);
        assert!(matches!(check(&bomb), Err(DecodeError::Damaged { .. })));
    }
}
