//! The header of a WAV file, apart from its samples, so that a caller can send both without copying them together.

use crate::SPEECH_RATE_HZ;

/// How many bytes come before the samples.
pub const WAV_HEADER_BYTES: usize = 44;

/// The length that says "until the end": how live WAV streams are written, and what readers take it for.
const UNKNOWN_BYTES: u32 = u32::MAX;

const BYTES_PER_SAMPLE: u32 = 2;
/// What the length of the RIFF chunk counts besides the samples: the header without the chunk's own eight bytes.
const RIFF_OVERHEAD_BYTES: u32 = 36;

/// The header for `pcm_bytes` bytes of 16-bit mono samples at [`SPEECH_RATE_HZ`].
///
/// More than a WAV file can count (4 GiB) is written as a stream of unknown length.
pub fn speech_wav_header(pcm_bytes: usize) -> [u8; WAV_HEADER_BYTES] {
    wav_header(pcm_bytes, SPEECH_RATE_HZ)
}

/// As [`speech_wav_header`], at another rate.
pub fn wav_header(pcm_bytes: usize, rate_hz: u32) -> [u8; WAV_HEADER_BYTES] {
    let data_bytes = u32::try_from(pcm_bytes).unwrap_or(UNKNOWN_BYTES);
    let mut header = [0; WAV_HEADER_BYTES];
    header[0..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&data_bytes.saturating_add(RIFF_OVERHEAD_BYTES).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes()); // length of what follows, up to "data"
    header[20..22].copy_from_slice(&1_u16.to_le_bytes()); // integer PCM
    header[22..24].copy_from_slice(&1_u16.to_le_bytes()); // channels
    header[24..28].copy_from_slice(&rate_hz.to_le_bytes());
    header[28..32].copy_from_slice(&rate_hz.saturating_mul(BYTES_PER_SAMPLE).to_le_bytes());
    header[32..34].copy_from_slice(&2_u16.to_le_bytes()); // bytes a frame
    header[34..36].copy_from_slice(&16_u16.to_le_bytes()); // bits a sample
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_others_write() {
        // sox -n -r 16000 -b 16 -c 1 silence.wav trim 0 0.001, without the 32 bytes of samples.
        let by_sox: [u8; 44] =
            *b"RIFF\x44\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x20\0\0\0";
        assert_eq!(speech_wav_header(32), by_sox);
    }

    #[test]
    fn a_length_beyond_what_wav_can_count_is_unknown() {
        let header = wav_header(usize::MAX, 24_000);
        assert_eq!(header[4..8], [0xff; 4]);
        assert_eq!(header[40..44], [0xff; 4]);
    }
}
