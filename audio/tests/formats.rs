//! Every format that an upload may have decodes to the same speech.

mod speech;

use std::io::Cursor;

use bytes::Bytes;
use greenroom_audio::Codec::{Aac, Flac, Mp3, Opus, Pcm, Vorbis};
use greenroom_audio::Container::{self, Mp4, Ogg, Wav, WebM};
use greenroom_audio::{Codec, DecodeLimits, SPEECH_RATE_HZ, UPLOAD_BYTES_MAX, Upload, decode};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use speech::{decode_bytes, fixture, likeness, reference};

/// A fixture, what it is, and how alike its speech has to be: the low bitrates of the fixtures keep less of the waveform.
struct Case {
    name: &'static str,
    container: Container,
    codec: Codec,
    rate_hz: u32,
    channels: usize,
    correlation_min: f64,
}

const fn case(
    name: &'static str,
    (container, codec, rate_hz, channels): (Container, Codec, u32, usize),
    correlation_min: f64,
) -> Case {
    Case {
        name,
        container,
        codec,
        rate_hz,
        channels,
        correlation_min,
    }
}

const CASES: &[Case] = &[
    case("reference.wav", (Wav, Pcm, 16_000, 1), 0.9999),
    case("wav-u8-8k.wav", (Wav, Pcm, 8_000, 1), 0.99),
    case("wav-s16-8k-stereo.wav", (Wav, Pcm, 8_000, 2), 0.99),
    case("wav-s24-11k.wav", (Wav, Pcm, 11_025, 1), 0.99),
    case("wav-s32-8k.wav", (Wav, Pcm, 8_000, 1), 0.99),
    case("wav-f32-8k.wav", (Wav, Pcm, 8_000, 1), 0.99),
    case("wav-alaw-8k.wav", (Wav, Pcm, 8_000, 1), 0.99),
    case("wav-mulaw-8k.wav", (Wav, Pcm, 8_000, 1), 0.99),
    case("flac.flac", (Container::Flac, Flac, 16_000, 1), 0.9999),
    case("mp3.mp3", (Container::Mp3, Mp3, 22_050, 1), 0.98),
    case("mp3-id3-stereo.mp3", (Container::Mp3, Mp3, 44_100, 2), 0.98),
    case("aac.m4a", (Mp4, Aac, 44_100, 1), 0.95),
    case("aac-fragmented-stereo.mp4", (Mp4, Aac, 44_100, 2), 0.97),
    case("vorbis.ogg", (Ogg, Vorbis, 22_050, 1), 0.98),
    case("vorbis-stereo.webm", (WebM, Vorbis, 44_100, 2), 0.98),
    case("opus.ogg", (Ogg, Opus, 48_000, 1), 0.98),
    case("opus-120ms.ogg", (Ogg, Opus, 48_000, 1), 0.98),
    case("opus-2.5ms.ogg", (Ogg, Opus, 48_000, 1), 0.97),
    case("opus.webm", (WebM, Opus, 48_000, 1), 0.98),
    case("opus-stereo-60ms.webm", (WebM, Opus, 48_000, 2), 0.98),
    case("opus.mp4", (Mp4, Opus, 48_000, 1), 0.98),
];

/// The speech of a file that has it from the start on is late by the padding of its codec at most: a frame of AAC.
const LAG_MAX: usize = 400;
/// What the padding of a codec may add: two frames of AAC.
const PADDING_SAMPLES_MAX: usize = 800;

#[test]
fn every_format_decodes_to_the_same_speech() {
    let reference = reference();
    for case in CASES {
        let name = case.name;
        let decoded = decode_bytes(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (decoded.container, decoded.codec),
            (case.container, case.codec),
            "{name}"
        );
        assert_eq!(
            (decoded.source_rate_hz, decoded.source_channels),
            (case.rate_hz, case.channels),
            "{name}"
        );
        assert!(!decoded.truncated && decoded.packets_lost == 0, "{name}");
        let samples = decoded.pcm.len();
        assert!(
            (reference.len()..=reference.len() + PADDING_SAMPLES_MAX).contains(&samples),
            "{name}: {samples} samples of {}",
            reference.len()
        );
        assert_eq!(
            decoded.duration().as_millis() as usize,
            samples * 1_000 / SPEECH_RATE_HZ as usize
        );

        let likeness = likeness(&reference, &decoded.pcm, SPEECH_RATE_HZ as usize / 5);
        assert!(
            likeness.correlation > case.correlation_min,
            "{name}: {likeness:?}"
        );
        assert!(likeness.lag <= LAG_MAX, "{name}: {likeness:?}");
        // What made the fixtures shares a voice among two channels by its power.
        let gain = if case.channels == 2 { 0.5_f64.sqrt() } else { 1.0 };
        assert!(
            (0.9..1.1).contains(&(likeness.gain / gain)),
            "{name}: {likeness:?}"
        );
    }
}

#[test]
fn recordings_of_a_browser_hold_what_was_said() {
    let reference = reference();
    for (name, container) in [("mediarecorder-opus.webm", WebM), ("mediarecorder-opus.mp4", Mp4)] {
        let decoded = decode_bytes(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((decoded.container, decoded.codec), (container, Opus), "{name}");
        assert!(!decoded.truncated && decoded.packets_lost == 0, "{name}");
        let seconds = decoded.duration().as_secs_f64();
        assert!((3.5..4.5).contains(&seconds), "{name}: {seconds} s");
        let likeness = likeness(&reference, &decoded.pcm, SPEECH_RATE_HZ as usize * 2);
        assert!(likeness.correlation > 0.97, "{name}: {likeness:?}");
        assert!((0.9..1.1).contains(&likeness.gain), "{name}: {likeness:?}");
    }
}

#[test]
fn what_a_file_is_called_and_how_it_came_does_not_matter() {
    // Nothing but bytes goes in, so a wrong name cannot mislead; tags in front and chunks of any size must not either.
    let flac = fixture("flac.flac");
    let expected = decode_bytes(flac.clone()).unwrap();
    let mut tagged = b"ID3\x04\0\0\0\0\0\x05hello".to_vec();
    tagged.extend_from_slice(&flac);
    assert_eq!(decode_bytes(tagged).unwrap(), expected);

    for chunk_bytes in [1, 999, 5_000, 20_000] {
        let mut upload = Upload::new(UPLOAD_BYTES_MAX);
        for chunk in flac.chunks(chunk_bytes) {
            upload.push(Bytes::copy_from_slice(chunk)).unwrap();
        }
        let decoded = decode(upload, &DecodeLimits::default(), &|| false).unwrap();
        assert_eq!(decoded, expected, "chunks of {chunk_bytes} bytes");
    }
}

/// The Ogg/Opus fixture with two bytes of its first header changed.
fn with_opus_header(offset: usize, field: [u8; 2]) -> Vec<u8> {
    let mut reader = ogg::PacketReader::new(Cursor::new(fixture("opus.ogg")));
    let mut writer = PacketWriter::new(Vec::new());
    let mut is_first = true;
    while let Some(mut packet) = reader.read_packet().expect("the fixture is whole") {
        if is_first {
            packet.data[offset..offset + 2].copy_from_slice(&field);
            is_first = false;
        }
        let end = match (packet.last_in_stream(), packet.last_in_page()) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (false, true) => PacketWriteEndInfo::EndPage,
            (false, false) => PacketWriteEndInfo::NormalPacket,
        };
        let (serial, position) = (packet.stream_serial(), packet.absgp_page());
        writer
            .write_packet(packet.data, serial, end, position)
            .expect("memory takes it");
    }
    writer.into_inner()
}

#[test]
fn the_header_of_opus_tells_what_to_drop_and_how_loud_it_is() {
    let reference = reference();
    let original = decode_bytes(fixture("opus.ogg")).unwrap();

    // Six decibels less, in 256ths.
    let quieter = decode_bytes(with_opus_header(16, (-1_541_i16).to_le_bytes())).unwrap();
    assert_eq!(quieter.pcm.len(), original.pcm.len());
    let ratio =
        likeness(&reference, &quieter.pcm, 1_600).gain / likeness(&reference, &original.pcm, 1_600).gain;
    assert!((0.49..0.51).contains(&ratio), "{ratio}");

    // A hundred milliseconds more to drop, at 48 kHz.
    let later = decode_bytes(with_opus_header(10, (312_u16 + 4_800).to_le_bytes())).unwrap();
    assert_eq!(later.pcm, original.pcm[1_600..]);
}
