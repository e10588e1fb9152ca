//! What clients send that they should not, and too much of what they should.

use std::time::Duration;

use greenroom_actors::voice::VoiceSettings;
use greenroom_protocol::{AudioCodec, AudioOutput, CallOutcome, Endpointing, ErrorCode, Millis};

use crate::call::{Exchange, Setting, headset, microphone};
use crate::ears::Answer;
use crate::hearing::PAUSE;
use crate::sounds::{frames, recorded, silence};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_before_the_start() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone();
    assert_eq!(
        phone.line.frame(&[0; 640]).unwrap_err().code,
        ErrorCode::InputInvalid
    );
    assert_eq!(phone.line.commit().unwrap_err().code, ErrorCode::InputInvalid);
    assert_eq!(phone.line.stop().unwrap_err().code, ErrorCode::InputInvalid);
    assert!(phone.line.cancel_reply().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_had_names_what_is_wrong_and_takes_no_microphone() {
    let exchange = Exchange::new().await;
    let mut holder = exchange.phone();
    holder.line.start(&microphone()).unwrap();
    let output = |codec, sample_rate, preset: Option<&str>| {
        Some(AudioOutput {
            codec,
            sample_rate,
            voice_preset: preset.map(str::to_owned),
        })
    };
    let mut phone = exchange.phone();
    for (field, start) in [
        ("sample_rate", {
            let mut start = microphone();
            start.sample_rate = 22_050;
            start
        }),
        ("channels", {
            let mut start = microphone();
            start.channels = 3;
            start
        }),
        ("endpointing.pre_roll_ms", {
            let mut start = microphone();
            start.endpointing = Some(Endpointing {
                pre_roll_ms: Some(5_000),
                ..Endpointing::default()
            });
            start
        }),
        ("output.sample_rate", {
            let mut start = microphone();
            start.output = output(AudioCodec::Opus, 44_100, None);
            start
        }),
        ("output.voice_preset", {
            let mut start = microphone();
            start.output = output(AudioCodec::Opus, 48_000, Some("nobody"));
            start
        }),
    ] {
        let refused = phone.line.start(&start).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InputInvalid);
        assert_eq!(refused.details["field"], field, "{refused:?}");
    }
    holder.listen(Duration::from_millis(200)).await;
    assert_eq!(holder.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn frames_that_cannot_be_heard_are_rejected_and_change_nothing() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("It is called Morning Glow."));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    let name = recorded("brief-02-name");
    let (first, second) = name.split_at(name.len() / 2 / 320 * 320);
    phone.say(first).await;
    for wrong in [&[0; 641][..], &[0; 100], &[0; 4_000], &[]] {
        let refused = phone.line.frame(wrong).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InputInvalid, "{} bytes", wrong.len());
    }
    phone.say(second).await;
    phone.listen(PAUSE).await;
    assert_eq!(phone.names(), ["started", "stopped"]);
    assert_eq!(exchange.said().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_opus_is_rejected_packet_by_packet() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone();
    let mut start = microphone();
    (start.codec, start.sample_rate) = (AudioCodec::Opus, 48_000);
    phone.line.start(&start).unwrap();
    // Three frames in a packet whose lengths are missing.
    for _ in 0..5 {
        phone.line.frame(&[0b0000_1011, 0b1000_0011, 0xff]).unwrap();
        phone.stall(Duration::from_millis(60)).await;
    }
    assert_eq!(phone.names(), ["rejected"; 5]);
    // Packets of speech are none of these: PCM sent as Opus is whatever its first bytes say.
    for frame in frames(&recorded("yes")) {
        phone.line.frame(&frame).ok();
        phone.stall(Duration::from_millis(20)).await;
    }
    assert!(exchange.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_get_to_run_loses_the_newest_and_says_so_once() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("It is called Morning Glow."));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    // Without a moment for the line in between.
    let name = recorded("brief-02-name");
    phone.pour(&[name, silence(3 * PAUSE)].concat());
    phone.line.playback("reply", Millis(20));
    phone.pour(&silence(Duration::from_millis(100)));
    phone.stall(PAUSE).await;
    assert_eq!(phone.names(), ["notice", "started", "stopped"]);
    assert_eq!(phone.errors(), [ErrorCode::SysOverloaded]);
    assert_eq!(exchange.said().len(), 1, "what was said before is whole");
}

#[tokio::test(start_paused = true)]
async fn audio_that_is_no_speech_because_nobody_speaks_so_fast_is_refused() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    for second in silence(Duration::from_secs(10)).chunks(16_000) {
        phone.pour(second);
        tokio::task::yield_now().await;
    }
    let refused = phone.line.frame(&[0; 640]).unwrap_err();
    assert_eq!(refused.code, ErrorCode::SysRateLimit);
    phone.stall(Duration::from_secs(1)).await;
    phone.line.frame(&[0; 640]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_ear_that_panics_costs_its_utterance_and_nothing_else() {
    let speech = recorded("yes");
    let fatal = frames(&speech).swap_remove(frames(&speech).len() / 2);
    let world = World::with(|config| config.faults.panic_ear_on = Some(fatal)).await;
    let exchange = Exchange::with(world, Setting::default()).await;
    exchange.ears.next(Answer::Words("Okay then"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&speech).await;
    phone.listen(PAUSE).await;
    let told = phone.names();
    assert!(
        told.contains(&"notice") && phone.errors() == [ErrorCode::SysInternal],
        "{told:?}"
    );
    assert_eq!(
        told.iter().filter(|name| **name == "started").count(),
        told.iter().filter(|name| **name == "stopped").count()
    );
    phone.say(&recorded("okay")).await;
    phone.listen(PAUSE).await;
    assert_eq!(exchange.said(), ["Okay then"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_panics_says_so_once_and_its_frames_mean_nothing_any_more() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.listen(Duration::from_millis(100)).await;
    assert!(exchange.world.directory.provoke_line(exchange.session));
    phone.listen(Duration::from_secs(1)).await;
    assert_eq!(phone.errors(), [ErrorCode::SysInternal], "{:?}", phone.names());
    assert_eq!(exchange.world.directory.live(), 1, "its session lives on");
    let mut next = exchange.phone();
    exchange.ears.next(Answer::Words("Okay then"));
    next.line.start(&microphone()).unwrap();
    next.say(&recorded("okay")).await;
    next.listen(PAUSE).await;
    assert_eq!(exchange.said(), ["Okay then"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_has_room_for_so_many_lines() {
    let setting = Setting {
        settings: VoiceSettings {
            lines_max: 2,
            ..VoiceSettings::default()
        },
        ..Setting::default()
    };
    let exchange = Exchange::with(World::new().await, setting).await;
    let _first = exchange.phone();
    let second = exchange.phone();
    let refused = exchange.try_phone().err().unwrap();
    assert_eq!(refused.code, ErrorCode::SysOverloaded);
    drop(second);
    tokio::task::yield_now().await;
    assert!(exchange.try_phone().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_start_hears_in_another_way_from_the_next_frame_on() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("Okay then"));
    let mut phone = exchange.phone();
    phone.line.start(&headset()).unwrap();
    phone.say(&recorded("long-story")[..16_000 * 2]).await;
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("okay")).await;
    phone.listen(PAUSE).await;
    assert_eq!(
        phone.names(),
        ["started", "stopped", "cancelled", "started", "stopped"]
    );
    assert_eq!(exchange.said(), ["Okay then"]);
}

#[tokio::test(start_paused = true)]
async fn who_speaks_when_the_server_begins_to_drain_is_heard_to_the_end_and_nobody_begins() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("It is called Morning Glow."));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    let name = recorded("brief-02-name");
    phone.say(&name[..name.len() / 2]).await;
    exchange.world.greenroom.drain();
    phone.say(&name[name.len() / 2..]).await;
    phone.listen(PAUSE).await;
    assert_eq!(exchange.said(), ["It is called Morning Glow."]);
    assert_eq!(exchange.transcriptions(), [CallOutcome::Ok]);
    let refused = exchange.phone().line.start(&microphone()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::SysDraining);
}
