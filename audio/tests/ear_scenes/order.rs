//! What is true of the events of any stream.

use greenroom_audio::ear::{EarEvent, SamplePosition, Utterance};

/// Where an ear stands, as its events tell.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Idle,
    Speaking,
    Paused,
}

/// Checks that time never goes back, that starts, pauses and ends come in order, and that each utterance is what the
/// stream has at its place, none of it told before. Says what is wrong.
pub fn check(stream: &[i16], events: &[EarEvent]) -> Result<(), String> {
    let mut stage = Stage::Idle;
    let mut now = SamplePosition::default();
    let mut told_to = 0;
    for event in events {
        let at = event.at();
        if at < now || at.samples() > stream.len() as u64 {
            return Err(format!("{at:?} after {now:?}, of {} samples", stream.len()));
        }
        now = at;
        let past;
        (stage, past) = match (event, stage) {
            (EarEvent::SpeechStarted { began_at, .. }, Stage::Idle) => (Stage::Speaking, *began_at),
            (EarEvent::SpeechPaused { ended_at, .. }, Stage::Speaking) => (Stage::Paused, *ended_at),
            (EarEvent::SpeechResumed { resumed_at, .. }, Stage::Paused) => (Stage::Speaking, *resumed_at),
            (
                EarEvent::Dropped {
                    began_at, ended_at, ..
                },
                _,
            ) if began_at <= ended_at => (Stage::Idle, *ended_at),
            (EarEvent::Utterance(utterance), _) => {
                told_to = check_utterance(stream, utterance, told_to)?;
                (Stage::Idle, utterance.ended_at)
            }
            _ => return Err(format!("{event:?} comes out of order: {stage:?}")),
        };
        if past > at {
            return Err(format!("{event:?} lies in the future"));
        }
    }
    Ok(())
}

/// Says up to where the stream is told after it.
fn check_utterance(stream: &[i16], utterance: &Utterance, told_to: usize) -> Result<usize, String> {
    let from = usize::try_from(utterance.pcm_from.samples()).map_err(|error| error.to_string())?;
    let to = from + utterance.pcm.len();
    let (began, ended) = (utterance.began_at.samples(), utterance.ended_at.samples());
    if from < told_to {
        return Err(format!("{from} to {to} was told up to {told_to}"));
    }
    if stream.get(from..to) != Some(&utterance.pcm[..]) {
        return Err(format!("{from} to {to} is not what was heard"));
    }
    if !(from as u64 <= began && began <= ended && ended <= to as u64) {
        return Err(format!(
            "speech from {began} to {ended} is not within {from} to {to}"
        ));
    }
    Ok(to)
}
