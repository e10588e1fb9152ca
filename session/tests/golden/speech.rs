//! What ears and mouths tell a session.

use greenroom_protocol::{
    AssetId, AssetReady, CallId, CallOutcome, ErrorCode, Millis, Provenance, Timestamp, TurnId,
};
use greenroom_session::{CommandKind, HeardPart, KeptRecording, OutsideCall, Receipt, Settlement, Spoken};

use crate::play::{Play, scripted, transcribed};

/// Digest that stands for a recording.
const RECORDING: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// A server that hears and speaks.
pub fn with_voice(mut play: Play) -> Play {
    play.capabilities.stt = Some(scripted("sim-ear"));
    play.capabilities.tts = Some(scripted("sim-mouth"));
    play
}

/// Somebody begins to speak, or sends a recording.
pub fn listen(play: &mut Play, is_live: bool) -> Receipt {
    let audio_digest = (!is_live).then(|| RECORDING.to_owned());
    let call = OutsideCall::Transcribe { audio_digest };
    play.send(CommandKind::ReserveCall { call }).expect("reserved")
}

/// These were the words.
pub fn understand(play: &mut Play, reserved: &Receipt, is_live: bool, text: &str) -> TurnId {
    let ago = |ms: i64| Timestamp::from_unix_ms(play.now.unix_ms() - ms);
    let spoken = Spoken {
        turn_id: reserved.turn_id.expect("a turn"),
        call_id: reserved.call_id.expect("a call"),
        record: transcribed(),
        audio_digest: (!is_live).then(|| RECORDING.to_owned()),
        ended_at: ago(900),
        endpoint_at: is_live.then(|| ago(600)),
        voiced: is_live,
    };
    let message = CommandKind::UserMessage {
        text: text.to_owned(),
        spoken: Some(Box::new(spoken)),
    };
    play.send(message).expect("a turn").turn_id.expect("its id")
}

/// It is said live.
pub fn speak(play: &mut Play, text: &str) -> TurnId {
    let reserved = listen(play, true);
    play.wait(400);
    understand(play, &reserved, true, text)
}

/// Nothing was understood.
pub fn hear_nothing(play: &mut Play, reserved: &Receipt) {
    let settlement = Settlement {
        outcome: CallOutcome::Failed,
        record: None,
        error: Some(ErrorCode::SttFailed),
        reason: Some("the recogniser fell silent".to_owned()),
        asset: None,
    };
    settle(play, reserved.call_id.expect("a call"), settlement);
}

/// A reply is made to sound, and its speech is kept.
pub fn voice(play: &mut Play, turn_id: TurnId, asset: u128) {
    let call = OutsideCall::Speak {
        turn_id: Some(turn_id),
    };
    let reserved = play.send(CommandKind::ReserveCall { call }).expect("reserved");
    let call_id = reserved.call_id.expect("a call");
    play.wait(300);
    let at = Some(play.now);
    let voiced = CommandKind::ReplyVoiced {
        turn_id,
        first_byte_at: at,
        first_sent_at: at,
    };
    play.send(voiced).expect("taken");
    let settlement = Settlement {
        outcome: CallOutcome::Ok,
        record: Some(transcribed()),
        error: None,
        reason: None,
        asset: Some(AssetReady {
            asset_id: AssetId::new(ulid::Ulid::from(asset)),
            run_id: None,
            kind: "speech".to_owned(),
            url: format!("/static/assets/{asset}.mp3"),
            media_type: "audio/mpeg".to_owned(),
            size_bytes: 9_216,
            provenance: Provenance::Model {
                provider: "scripted".to_owned(),
                model: "sim-mouth".to_owned(),
                call_id,
                simulated: true,
            },
        }),
    };
    settle(play, call_id, settlement);
}

/// So much of a reply was heard.
pub fn hear(play: &mut Play, turn_id: TurnId, texts: &[&str], cancels: bool) {
    let parts = texts.iter().map(|text| HeardPart {
        heard_ms: Millis(100 * text.chars().count() as u64),
        text: (*text).to_owned(),
    });
    let heard = CommandKind::ReplyHeard {
        turn_id,
        parts: parts.collect(),
        cancels,
    };
    play.send(heard).expect("taken");
}

/// What was said is kept.
pub fn keep_recording(play: &mut Play) {
    let asset = KeptRecording {
        asset_id: AssetId::new(ulid::Ulid::from(90_u128)),
        url: "/api/recordings/90.ogg".to_owned(),
        media_type: "audio/ogg".to_owned(),
        size_bytes: 65_536,
    };
    play.send(CommandKind::KeepRecording { asset }).expect("kept");
}

fn settle(play: &mut Play, call_id: CallId, settlement: Settlement) {
    let settlement = Box::new(settlement);
    play.send(CommandKind::SettleCall { call_id, settlement })
        .expect("settling is never refused");
}
