//! What is encoded here is decoded here, and by others, to the same speech.

mod speech;

use std::io::Cursor;
use std::process::Command;

use greenroom_audio::ogg_opus::{EncodeError, OggOpusWriter, encode_ogg_opus};
use greenroom_audio::wav::{speech_wav_header, wav_header};
use greenroom_audio::{Codec, Container, MonoResampler, SPEECH_RATE_HZ, pcm};
use speech::{decode_bytes, likeness, reference};

fn at_24_khz(samples: &[i16]) -> Vec<i16> {
    let mut resampler = MonoResampler::new(SPEECH_RATE_HZ, 24_000).expect("rates in range");
    let (mut floats, mut out, mut integers) = (Vec::new(), Vec::new(), Vec::new());
    pcm::extend_f32(&mut floats, samples);
    resampler.push(&floats, &mut out);
    resampler.finish(&mut out);
    pcm::extend_i16(&mut integers, &out);
    integers
}

#[test]
fn a_wav_header_and_samples_are_a_wav_file() {
    let reference = reference();
    let samples = pcm::to_le_bytes(&reference);
    let file = [&speech_wav_header(samples.len())[..], &samples].concat();
    let decoded = decode_bytes(file).unwrap();
    assert_eq!((decoded.container, decoded.codec), (Container::Wav, Codec::Pcm));
    assert_eq!(decoded.pcm, reference);

    let resampled = at_24_khz(&reference);
    let samples = pcm::to_le_bytes(&resampled);
    let decoded = decode_bytes([&wav_header(samples.len(), 24_000)[..], &samples].concat()).unwrap();
    assert_eq!(decoded.source_rate_hz, 24_000);
    assert_eq!(decoded.pcm.len(), reference.len());
    let likeness = likeness(&reference, &decoded.pcm, 1_600);
    assert!(likeness.correlation > 0.999 && likeness.lag == 0, "{likeness:?}");
}

#[test]
fn speech_in_ogg_opus_is_as_long_as_it_was_and_sounds_the_same() {
    let reference = reference();
    for (rate_hz, samples) in [
        (SPEECH_RATE_HZ, reference.clone()),
        (24_000, at_24_khz(&reference)),
    ] {
        let decoded = decode_bytes(encode_ogg_opus(&samples, rate_hz, 7).unwrap()).unwrap();
        assert_eq!((decoded.container, decoded.codec), (Container::Ogg, Codec::Opus));
        assert!(!decoded.truncated && decoded.packets_lost == 0);
        assert_eq!(decoded.pcm.len(), reference.len(), "{rate_hz}");
        let likeness = likeness(&reference, &decoded.pcm, 1_600);
        assert!(
            likeness.correlation > 0.98 && likeness.lag <= 2 && (0.9..1.1).contains(&likeness.gain),
            "{rate_hz}: {likeness:?}"
        );
    }
}

#[test]
fn every_length_survives_ogg_opus() {
    for samples in [1, 319, 320, 321, 600, 640, 5_000, 16_000, 16_001] {
        let speech = &reference()[..samples];
        let decoded = decode_bytes(encode_ogg_opus(speech, SPEECH_RATE_HZ, 1).unwrap()).unwrap();
        assert_eq!(decoded.pcm.len(), samples);
    }
    let silence = encode_ogg_opus(&[], SPEECH_RATE_HZ, 1).unwrap();
    decode_bytes(silence).unwrap_err();
}

#[test]
fn pages_come_while_it_is_spoken_and_are_the_whole_in_pieces() {
    let reference = reference();
    let whole = encode_ogg_opus(&reference, SPEECH_RATE_HZ, 3).unwrap();
    let mut writer = OggOpusWriter::new(SPEECH_RATE_HZ, 3).unwrap();
    let mut bytes = Vec::new();
    let mut bytes_after_second = Vec::new();
    for second in reference.chunks(SPEECH_RATE_HZ as usize) {
        for piece in second.chunks(777) {
            writer.push(piece).unwrap();
        }
        bytes.extend(writer.take_bytes());
        bytes_after_second.push(bytes.len());
    }
    assert!(bytes_after_second[0] > 1_000 && bytes_after_second[1] > bytes_after_second[0] + 1_000);
    bytes.extend(writer.finish().unwrap());
    assert_eq!(bytes, whole);

    // Each page is true to its checksum, and the last one says that it is.
    let mut reader = ogg::PacketReader::new(Cursor::new(bytes));
    let mut last = None;
    while let Some(packet) = reader.read_packet().unwrap() {
        last = Some(packet);
    }
    assert!(last.unwrap().last_in_stream());
}

#[test]
fn rates_that_opus_has_not_are_refused() {
    for rate_hz in [0, 11_025, 44_100] {
        assert_eq!(
            encode_ogg_opus(&[0; 100], rate_hz, 1),
            Err(EncodeError::Rate { rate_hz })
        );
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn another_decoder_hears_the_same() {
    let reference = reference();
    let folder = std::env::temp_dir().join(format!("greenroom-audio-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (encoded, decoded) = (folder.join("speech.ogg"), folder.join("speech.raw"));
    std::fs::write(&encoded, encode_ogg_opus(&reference, SPEECH_RATE_HZ, 1).unwrap()).unwrap();
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-i"])
        .arg(&encoded)
        .args(["-f", "s16le", "-ar", "16000", "-ac", "1"])
        .arg(&decoded)
        .status()
        .unwrap();
    assert!(status.success());
    let samples = pcm::from_le_bytes(&std::fs::read(&decoded).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        samples.len().abs_diff(reference.len()) < 16,
        "{} samples",
        samples.len()
    );
    let likeness = likeness(&reference, &samples, 1_600);
    assert!(likeness.correlation > 0.98 && likeness.lag <= 2, "{likeness:?}");
}
