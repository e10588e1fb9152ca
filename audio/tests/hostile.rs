//! Uploads that are broken, forged or meant to exhaust the server are refused by name, soon, and in little memory.

mod speech;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use greenroom_audio::ogg_opus::encode_ogg_opus;
use greenroom_audio::wav::wav_header;
use greenroom_audio::{
    DecodeError, DecodeLimits, Decoded, SPEECH_RATE_HZ, UPLOAD_BYTES_MAX, Upload, UploadTooLarge, decode,
};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use peak_alloc::PeakAlloc;
use speech::{decode_bytes, fixture};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What any of these tests may hold at once: the largest of them is an upload of 25 MiB, and the speech of five minutes
/// takes ten. A claim that is believed takes hundreds or thousands.
const PEAK_MB_MAX: f32 = 150.0;

#[track_caller]
fn assert_memory_was_bounded() {
    let peak = MEMORY.peak_usage_as_mb();
    assert!(peak < PEAK_MB_MAX, "{peak} MB");
}

#[track_caller]
fn assert_damaged(file: impl Into<Vec<u8>>) {
    let outcome = decode_bytes(file);
    assert!(matches!(outcome, Err(DecodeError::Damaged { .. })), "{outcome:?}");
}

#[track_caller]
fn assert_unsupported(file: impl Into<Vec<u8>>) {
    let outcome = decode_bytes(file);
    assert!(
        matches!(outcome, Err(DecodeError::Unsupported { .. })),
        "{outcome:?}"
    );
}

/// A WAV file of one channel of silence, whose header is then forged.
fn forged_wav(forge: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut file = wav_header(32_000, SPEECH_RATE_HZ).to_vec();
    forge(&mut file);
    file.resize(44 + 32_000, 0);
    file
}

/// The fixture with what follows the only `marker` in it overwritten, from `offset` bytes behind it.
fn patched(name: &str, marker: [u8; 4], offset: usize, patch: &[u8]) -> Vec<u8> {
    let mut file = fixture(name);
    let at = file.windows(4).position(|window| window == marker);
    let at = at.expect("the fixture has it") + 4 + offset;
    file[at..at + patch.len()].copy_from_slice(patch);
    file
}

#[test]
fn nothing_and_noise_are_told_apart() {
    assert_eq!(decode_bytes([]), Err(DecodeError::Empty));
    assert_unsupported(b"I said it in writing, so there!".repeat(100));
    let noise: Vec<u8> = (1..100_000_u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0])
        .collect();
    assert_unsupported(noise);
    for magic in [
        "FORM____AIFF",
        "caff________",
        "#!AMR_______",
        "RIFX____WAVE",
        "RIFF____AVI ",
    ] {
        assert_unsupported(magic);
    }
}

#[test]
fn a_beginning_without_anything_behind_it_is_damaged() {
    for magic in [
        &b"RIFF\xff\xff\xff\xffWAVE"[..],
        b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff",
        b"OggS",
        b"fLaC",
        b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x08ftyp",
        b"\xff\xff\xff\xffftyp\0\0\0\0",
        b"\0\0\0\x01ftypM4A \xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xfb\x90\x00",
    ] {
        let outcome = decode_bytes(magic);
        assert!(
            matches!(outcome, Err(DecodeError::Damaged { .. } | DecodeError::Empty)),
            "{magic:?}: {outcome:?}"
        );
    }
}

#[test]
fn forged_wav_headers_are_refused_by_what_they_forge() {
    for rate_hz in [0_u32, 1, 3_999, 192_001, 4_000_000_000, u32::MAX] {
        let forged = forged_wav(|header| header[24..28].copy_from_slice(&rate_hz.to_le_bytes()));
        assert_eq!(decode_bytes(forged), Err(DecodeError::RateOutOfRange { rate_hz }));
    }
    for (channels, block_bytes) in [(9_u16, 18_u16), (200, 400), (u16::MAX, u16::MAX)] {
        let forged = forged_wav(|header| {
            header[22..24].copy_from_slice(&channels.to_le_bytes());
            header[32..34].copy_from_slice(&block_bytes.to_le_bytes());
        });
        let outcome = decode_bytes(forged);
        assert!(
            matches!(
                outcome,
                Err(DecodeError::ChannelsOutOfRange { .. } | DecodeError::Damaged { .. })
            ),
            "{channels}: {outcome:?}"
        );
    }
    assert_damaged(forged_wav(|header| header[22..24].fill(0)));
    assert_memory_was_bounded();
}

#[test]
fn a_wav_file_that_promises_more_than_it_has_gives_what_it_has() {
    let forged = forged_wav(|header| {
        header[4..8].copy_from_slice(&0x0fff_ffff_u32.to_le_bytes());
        header[40..44].copy_from_slice(&0x0fff_ff00_u32.to_le_bytes());
    });
    let decoded = decode_bytes(forged).unwrap();
    assert!(decoded.truncated);
    assert_eq!(decoded.pcm.len(), 16_000);

    // A stream that did not know its length when it began is no lie.
    let streamed = forged_wav(|header| {
        header[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        header[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    let decoded = decode_bytes(streamed).unwrap();
    assert!(!decoded.truncated);
    assert_eq!(decoded.pcm.len(), 16_000);
    assert_memory_was_bounded();
}

#[test]
fn a_header_without_samples_holds_no_audio() {
    assert_eq!(
        decode_bytes(wav_header(0, SPEECH_RATE_HZ)),
        Err(DecodeError::Empty)
    );
    assert_damaged(wav_header(32_000, SPEECH_RATE_HZ));
}

#[test]
fn the_byte_beyond_25_mib_is_refused_as_it_comes_in() {
    let chunk = Bytes::from(vec![0; 1024 * 1024]);
    let mut upload = Upload::new(UPLOAD_BYTES_MAX);
    for _ in 0..25 {
        upload.push(chunk.clone()).unwrap();
    }
    assert_eq!(
        upload.push(Bytes::from_static(b"!")),
        Err(UploadTooLarge {
            bytes_max: 26_214_400
        })
    );
}

#[test]
fn five_minutes_are_taken_and_a_second_more_is_not() {
    let rate_hz = 4_000;
    let of_seconds = |seconds: u32| {
        let pcm_bytes = (seconds * rate_hz * 2) as usize;
        let mut file = wav_header(pcm_bytes, rate_hz).to_vec();
        file.resize(44 + pcm_bytes, 0);
        file
    };
    let decoded = decode_bytes(of_seconds(300)).unwrap();
    assert_eq!(decoded.pcm.len(), 4_800_000);
    assert!(!decoded.truncated);
    let duration_max = DecodeLimits::default().duration_max;
    assert_eq!(
        decode_bytes(of_seconds(301)),
        Err(DecodeError::TooLong { duration_max })
    );
    assert_memory_was_bounded();
}

/// An Ogg file of Opus with `packets` times the same packet.
fn opus_of(packet: &[u8], packets: u64, granules_per_packet: u64) -> Vec<u8> {
    let mut writer = PacketWriter::new(Vec::new());
    let head = b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0";
    let tags = b"OpusTags\0\0\0\0\0\0\0\0";
    for header in [&head[..], tags] {
        writer
            .write_packet(header, 1, PacketWriteEndInfo::EndPage, 0)
            .expect("memory takes it");
    }
    for index in 1..=packets {
        let end = if index == packets {
            PacketWriteEndInfo::EndStream
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        writer
            .write_packet(packet, 1, end, index * granules_per_packet)
            .expect("memory takes it");
    }
    writer.into_inner()
}

#[test]
fn a_small_file_of_long_silence_is_too_long() {
    // A packet of four bytes is 120 ms; fifteen kilobytes last six minutes.
    let silence = [0x1b, 0x02, 0, 0];
    let file = opus_of(&silence, 3_000, 5_760);
    assert!(file.len() < 20_000);
    let duration_max = DecodeLimits::default().duration_max;
    assert_eq!(decode_bytes(file), Err(DecodeError::TooLong { duration_max }));
    assert_memory_was_bounded();
}

#[test]
fn millions_of_empty_packets_are_not_waited_for() {
    // 255 packets of no bytes take one page of 282 bytes.
    let file = opus_of(&[], 1_000_000, 0);
    assert!(file.len() < 1_200_000);
    assert_damaged(file);
    assert_memory_was_bounded();
}

#[test]
fn tables_of_mp4_that_promise_the_world_are_not_believed() {
    let huge = u32::MAX.to_be_bytes();
    // The entries of a table; the samples, all of one size; the samples of one chunk.
    let samples_of_a_megabyte = [1_u32 << 20, u32::MAX].map(u32::to_be_bytes).concat();
    let samples_of_nothing = [0, u32::MAX].map(u32::to_be_bytes).concat();
    for (name, marker, offset, patch) in [
        ("aac.m4a", *b"stts", 4, &huge[..]),
        ("aac.m4a", *b"stsc", 4, &huge),
        ("aac.m4a", *b"stco", 4, &huge),
        ("aac.m4a", *b"stsz", 8, &huge),
        ("aac.m4a", *b"stsz", 4, &samples_of_a_megabyte),
        ("aac.m4a", *b"elst", 4, &huge),
        ("aac-fragmented-stereo.mp4", *b"trun", 4, &huge),
    ] {
        let outcome = decode_bytes(patched(name, marker, offset, patch));
        assert!(
            matches!(
                outcome,
                Err(DecodeError::Damaged { .. }) | Ok(Decoded { truncated: true, .. })
            ),
            "{marker:?} at {offset}: {:?}",
            outcome.map(|decoded| decoded.duration())
        );
    }

    // As many samples of nothing as a file can claim, in one chunk, and a time for each.
    let mut bomb = patched("aac.m4a", *b"stsz", 4, &samples_of_nothing);
    for (marker, offset) in [(*b"stts", 8), (*b"stsc", 12)] {
        let at = bomb.windows(4).position(|window| window == marker).unwrap() + 4 + offset;
        bomb[at..at + 4].copy_from_slice(&huge);
    }
    assert_damaged(bomb);
    assert_memory_was_bounded();
}

#[test]
fn codebooks_of_vorbis_that_unpack_to_gigabytes_are_refused() {
    let original = fixture("vorbis.ogg");
    let mut reader = ogg::PacketReader::new(std::io::Cursor::new(&original));
    let mut packets = Vec::new();
    while let Some(packet) = reader.read_packet().unwrap() {
        packets.push(packet.data);
    }
    // A codebook of 131,072 vectors of 16 values, all of whose codes have 17 bits: twenty bytes, 8 MB.
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |value: u64, count: u32| {
        for index in 0..count {
            bits.push(value >> index & 1 == 1);
        }
    };
    put(255, 8);
    for _ in 0..256 {
        put(0x0056_4342, 24);
        put(16, 16);
        put(131_072, 24);
        put(1, 1); // the codes come by length,
        put(16, 5); // from 17 bits on
        put(131_072, 18); // all of them
        put(1, 4); // looked up in a lattice of
        put(0, 32);
        put(0, 32);
        put(0, 4);
        put(0, 1);
        put(0, 2); // two values
    }
    let mut setup = b"\x05vorbis".to_vec();
    for byte in bits.chunks(8) {
        setup.push(byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    }
    setup.extend_from_slice(&[0; 64]);
    packets[2] = setup;
    let mut writer = PacketWriter::new(Vec::new());
    for (index, packet) in packets.into_iter().enumerate() {
        writer
            .write_packet(packet, 1, PacketWriteEndInfo::EndPage, index as u64 * 1_024)
            .unwrap();
    }
    assert_eq!(
        decode_bytes(writer.into_inner()),
        Err(DecodeError::Damaged {
            reason: "its Vorbis headers are out of all proportion".to_owned()
        })
    );
    assert_memory_was_bounded();
}

#[test]
fn millions_of_tags_are_not_kept() {
    // A FLAC file that begins as one should, and goes on with blocks of comments of two letters each.
    let comments = 2_000_000_u32;
    let mut block = 0_u32.to_le_bytes().to_vec();
    block.extend(comments.to_le_bytes());
    block.extend(b"\x02\0\0\0a=".repeat(comments as usize));
    let mut file = fixture("flac.flac")[..42].to_vec();
    file[4] &= 0x7f;
    file.push(4);
    file.extend(&u32::try_from(block.len()).unwrap().to_be_bytes()[1..]);
    file.extend(block);
    assert_eq!(
        decode_bytes(file),
        Err(DecodeError::Damaged {
            reason: "its headers are out of all proportion".to_owned()
        })
    );
    assert_memory_was_bounded();
}

#[test]
fn a_decode_stops_when_it_is_not_wanted_any_more() {
    let samples: Vec<i16> = vec![0; 16_000];
    let file = Bytes::from(encode_ogg_opus(&samples, SPEECH_RATE_HZ, 1).unwrap());
    let limits = DecodeLimits::default();
    for asked_before in [0, 1, 5, 20] {
        let asked = AtomicUsize::new(0);
        let should_stop = || asked.fetch_add(1, Ordering::Relaxed) >= asked_before;
        let outcome = decode(Upload::from(file.clone()), &limits, &should_stop);
        assert_eq!(outcome, Err(DecodeError::Stopped), "after {asked_before}");
        assert_eq!(asked.into_inner(), asked_before + 1);
    }
}

#[test]
fn what_came_before_a_cut_is_kept() {
    // How much of the speech is there when so much of the file is. Ogg is read by pages, of which so short a file has
    // few. Where a cut falls between two frames of MP3, nothing tells it.
    for (name, percents, tells) in [
        ("reference.wav", &[(10, 9), (50, 49), (95, 94)][..], true),
        ("flac.flac", &[(30, 15), (50, 30), (95, 90)], true),
        ("mp3.mp3", &[(20, 10), (50, 45), (95, 90)], false),
        ("aac-fragmented-stereo.mp4", &[(65, 45), (95, 70)], true),
        ("vorbis.ogg", &[(95, 45)], true),
        ("vorbis-stereo.webm", &[(65, 40), (95, 85)], true),
        ("opus.ogg", &[(65, 45), (95, 45)], true),
        ("opus.webm", &[(30, 20), (50, 40), (95, 90)], true),
        ("mediarecorder-opus.webm", &[(30, 20), (50, 40), (95, 90)], true),
    ] {
        let file = fixture(name);
        let whole = decode_bytes(file.clone()).unwrap();
        for (percent, share_min) in percents.iter().copied() {
            let cut = file.len() * percent / 100;
            let decoded =
                decode_bytes(&file[..cut]).unwrap_or_else(|error| panic!("{name} at {percent} %: {error}"));
            assert!(decoded.truncated || !tells, "{name} at {percent} %");
            let share = decoded.pcm.len() * 100 / whole.pcm.len();
            assert!(share >= share_min, "{name} at {percent} %: only {share} %");
        }
    }
}

#[test]
fn a_cut_anywhere_is_an_error_or_a_beginning() {
    let names = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).unwrap();
    for entry in names {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "README.md" {
            continue;
        }
        let file = fixture(&name);
        let whole = decode_bytes(file.clone()).unwrap();
        let cuts = (1..64).chain((1..20).map(|twentieth| file.len() * twentieth / 20));
        for cut in cuts {
            match decode_bytes(&file[..cut]) {
                Ok(decoded) => {
                    assert!(!decoded.pcm.is_empty(), "{name} at {cut}");
                    assert!(decoded.pcm.len() <= whole.pcm.len(), "{name} at {cut}");
                }
                Err(DecodeError::Damaged { .. } | DecodeError::Empty | DecodeError::Unsupported { .. }) => {}
                Err(other) => panic!("{name} at {cut}: {other}"),
            }
        }
    }
}
