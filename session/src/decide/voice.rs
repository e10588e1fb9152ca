//! What happens to a reply that is spoken: when it was heard of, how much of it was heard, what was recorded.

use greenroom_protocol::{
    AssetReady, Event, MessageAdded, MessageHeard, Provenance, Role, Timestamp, TurnId, TurnOutcome,
};
use serde_json::json;

use super::Decider;
use super::latency::FirstSound;
use crate::command::{Answer, HeardPart, KeptRecording, Receipt};
use crate::state::VOICE_WAIT;

/// What a recording of the conversation is called among the assets.
const RECORDING_KIND: &str = "recording";

impl Decider<'_, '_> {
    /// How much of a turn's reply was heard, and its end if it is under way and `cancels`, or if only its voice was
    /// waited for.
    pub(super) fn reply_heard(&mut self, turn_id: TurnId, parts: &[HeardPart], cancels: bool) -> Receipt {
        let ends = self.state.planning().is_some_and(|planning| {
            planning.turn_id == turn_id && (cancels || planning.progress.voicing_since().is_some())
        });
        if ends {
            self.cut_reply_off();
        }
        self.tell_heard(turn_id, parts);
        if ends {
            self.complete_cut_off_turn(TurnOutcome::Interrupted, true);
        }
        Receipt {
            turn_id: Some(turn_id),
            ..Receipt::default()
        }
    }

    /// When a turn's reply was first heard of: what the turn waits for once its text is complete.
    pub(super) fn reply_voiced(
        &mut self,
        turn_id: TurnId,
        first_byte_at: Option<Timestamp>,
        first_sent_at: Option<Timestamp>,
    ) -> Receipt {
        let is_awaited = self.state.planning().is_some_and(|planning| {
            planning.turn_id == turn_id && planning.progress.voicing_since().is_some()
        });
        if is_awaited {
            let sound = first_sent_at.map(|first_sent_at| FirstSound {
                first_byte_at: first_byte_at.unwrap_or(first_sent_at),
                first_sent_at,
            });
            self.complete_voiced_turn(sound);
        }
        Receipt {
            turn_id: Some(turn_id),
            ..Receipt::default()
        }
    }

    /// Keeps a recording. It is the user's own words and what was spoken to them, up to the newest turn; it belongs to
    /// no run, so nothing that is made of a run holds it.
    pub(super) fn keep_recording(&mut self, recording: KeptRecording) -> Answer {
        let Some(turn_id) = self.state.conversation.last_turn else {
            return Err(self.invalid(json!({ "reason": "nothing was said yet" })));
        };
        let KeptRecording {
            asset_id,
            url,
            media_type,
            size_bytes,
        } = recording;
        self.record_command(Event::AssetReady(AssetReady {
            asset_id,
            run_id: None,
            kind: RECORDING_KIND.to_owned(),
            url,
            media_type,
            size_bytes,
            provenance: Provenance::User { turn_id },
        }));
        Ok(Receipt::default())
    }

    /// Completes a turn that has waited long enough to hear of its voice.
    pub(super) fn tick_voice(&mut self) {
        let since = self
            .state
            .planning()
            .and_then(|planning| planning.progress.voicing_since());
        if since.is_some_and(|since| since.after(VOICE_WAIT) <= self.context.now) {
            self.complete_turn(TurnOutcome::Ok);
        }
    }

    /// Tells of each text of a turn's reply how much of it was heard, if that was not told before.
    fn tell_heard(&mut self, turn_id: TurnId, parts: &[HeardPart]) {
        let conversation = &self.state.conversation;
        let was_told = |message: &MessageAdded| {
            let mut told = conversation.heard.iter();
            told.any(|heard| heard.message_id == message.message_id)
        };
        let of_reply =
            |message: &MessageAdded| message.role == Role::Assistant && message.turn_id == Some(turn_id);
        let unheard = HeardPart::default();
        let parts = parts.iter().chain(std::iter::repeat(&unheard));
        let messages = conversation.messages.iter().map(AsRef::as_ref);
        let untold: Vec<MessageHeard> = messages
            .filter(|message| of_reply(message))
            .zip(parts)
            .filter(|(message, _)| !was_told(message))
            .map(|(message, part)| MessageHeard {
                message_id: message.message_id,
                turn_id,
                heard_ms: part.heard_ms,
                text: heard_of(&message.text, &part.text).to_owned(),
            })
            .collect();
        for heard in untold {
            self.record_command(Event::MessageHeard(heard));
        }
    }
}

/// The beginning of a message that was heard: what is told, as far as the message says it, up to the last whole word of
/// it where it says something else.
fn heard_of<'m>(message: &'m str, told: &str) -> &'m str {
    let told = told.trim_end();
    let common = message
        .char_indices()
        .zip(told.chars())
        .take_while(|((_, said), heard)| said == heard)
        .last()
        .map_or(0, |((at, said), _)| at + said.len_utf8());
    let (heard, rest) = message.split_at(common);
    let ends_word = |rest: &str| rest.chars().next().is_none_or(char::is_whitespace);
    let is_told_whole = told.len() == common;
    if is_told_whole || (ends_word(rest) && ends_word(&told[common..])) {
        return heard.trim_end();
    }
    heard
        .rfind(char::is_whitespace)
        .map_or("", |end| heard[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_a_beginning_of_the_message_and_ends_at_a_word_where_they_differ() {
        for (message, told, heard) in [
            ("좋아요. 가격은 얼마예요?", "", ""),
            ("좋아요. 가격은 얼마예요?", "좋아요.", "좋아요."),
            ("좋아요. 가격은 얼마예요?", "좋아요. ", "좋아요."),
            ("좋아요. 가격은 얼마예요?", "좋아요. 가격", "좋아요. 가격"),
            (
                "좋아요. 가격은 얼마예요?",
                "좋아요. 가격은 얼마예요?",
                "좋아요. 가격은 얼마예요?",
            ),
            // What follows is not this message's.
            ("What is it?", "What is it? And more", "What is it?"),
            ("What is it?", "What is in", "What is"),
            ("What is it?", "What is\tit", "What is"),
            ("What is it?", "What isn't it", "What"),
            ("What is it?", "whatever", ""),
            ("Hello", "Help", ""),
            ("  led by blanks", "led by", ""),
        ] {
            assert_eq!(heard_of(message, told), heard, "{told:?} of {message:?}");
        }
    }
}
