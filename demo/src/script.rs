//! What the user of the demo says.

use std::time::Duration;

use anyhow::Context as _;
use loadtest::load::Reaction;
use loadtest::voice::utterances::{Utterance, shipped};

/// One typed message with what the viewer should notice about it.
#[derive(Debug, Clone, Copy)]
pub struct TypedLine {
    /// What is typed.
    pub text: &'static str,
    /// What to notice.
    pub notice: &'static str,
}

/// One spoken utterance with what the viewer should notice about it.
#[derive(Debug, Clone, Copy)]
pub struct SpokenLine {
    /// The recording.
    pub utterance: &'static Utterance,
    /// What to notice.
    pub notice: &'static str,
    /// What is done while it is answered. To interrupt the reply is to say the next line.
    pub reaction: Reaction,
}

/// A launch brief, typed in Korean: explicit answers, a bare answer, a correction, the user's own question, the order
/// to begin.
const TYPED_KOREAN: [TypedLine; 8] = [
    TypedLine {
        text: "안녕하세요, 다음 주에 제품을 하나 출시하려고 해요",
        notice: "small talk fills no slot",
    },
    TypedLine {
        text: "루미세럼",
        notice: "a bare answer to the question just asked",
    },
    TypedLine {
        text: "카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건이에요",
        notice: "several slots in one turn, at once, without a model",
    },
    TypedLine {
        text: "3만9천원",
        notice: "a bare price becomes a band, by the playbook's table",
    },
    TypedLine {
        text: "타겟은 20대 여성, 이유는 트러블 진정",
        notice: "the words that each value came from are kept",
    },
    TypedLine {
        text: "아니, 제품명은 루미앰플이야",
        notice: "a correction, at any time before the run starts",
    },
    TypedLine {
        text: "채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초",
        notice: "the last required slots: the gate opens",
    },
    TypedLine {
        text: "좋아요, 이제 만들어줘",
        notice: "the run never starts by itself: the user asks for it",
    },
];

/// Early in a reply, well before its question: there "uh-huh" is no answer.
const MURMUR: Reaction = Reaction::Backchannel {
    after: Duration::from_millis(900),
};
/// Late enough that there is something to have been heard, and before the question is over.
const INTERRUPT: Reaction = Reaction::BargeIn {
    after: Duration::from_millis(1_200),
};

/// The spoken brief: recordings by their ids, what to notice, and what is done while they are answered.
const SPOKEN_ENGLISH: [(&str, &str, Reaction); 13] = [
    ("brief-01-hello", "small talk fills no slot", Reaction::Listen),
    (
        "brief-02-name",
        "an answer to the question just heard",
        Reaction::Listen,
    ),
    (
        "brief-03-category",
        "one question a turn, never twice the same",
        Reaction::Listen,
    ),
    ("brief-04-features", "a list, out of one sentence", INTERRUPT),
    (
        "brief-05-price",
        "nobody has to wait for the question; a bare price becomes a band",
        Reaction::Listen,
    ),
    ("brief-06-who", "a bare answer", INTERRUPT),
    (
        "brief-07-side-question",
        "a colleague interrupts with a question: answered first, then the interview goes on",
        MURMUR,
    ),
    (
        "brief-08-why",
        "the words that each value came from are kept",
        Reaction::Listen,
    ),
    ("brief-09-channels", "one or two channels", INTERRUPT),
    (
        "brief-10-correction",
        "another colleague interrupts and corrects the price",
        Reaction::Listen,
    ),
    (
        "brief-11-goal",
        "a goal, mapped from everyday words: the gate opens",
        Reaction::Listen,
    ),
    (
        "brief-12-video",
        "an optional slot: more detail still enriches the brief",
        Reaction::Listen,
    ),
    (
        "brief-13-start",
        "the run never starts by itself: the user asks for it",
        Reaction::Listen,
    ),
];

/// The brief that is typed, in Korean.
pub fn typed() -> &'static [TypedLine] {
    &TYPED_KOREAN
}

/// The brief that is spoken, in English: recorded speech that ships with the project.
pub fn spoken() -> anyhow::Result<Vec<SpokenLine>> {
    let lines = SPOKEN_ENGLISH.into_iter().map(|(id, notice, reaction)| {
        let utterance = shipped()
            .iter()
            .find(|utterance| utterance.id == id)
            .with_context(|| format!("the recording {id} was not shipped"))?;
        Ok(SpokenLine {
            utterance,
            notice,
            reaction,
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use loadtest::voice::utterances::UsedBy;

    use super::*;

    #[test]
    fn the_whole_brief_is_spoken_in_its_order() {
        let brief: Vec<&str> = shipped()
            .iter()
            .filter(|utterance| utterance.used_by == UsedBy::Brief)
            .map(|utterance| utterance.id.as_str())
            .collect();
        let lines = spoken().unwrap();
        let spoken: Vec<&str> = lines.iter().map(|line| line.utterance.id.as_str()).collect();
        assert_eq!(spoken, brief);
    }
}
