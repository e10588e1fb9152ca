//! What the user of the demo says.

use bytes::Bytes;
use greenroom_protocol::Locale;
use loadtest::voice::utterances::{UsedBy, shipped};

/// A launch brief, line by line.
pub struct Script {
    /// The language of the session.
    pub locale: Locale,
    /// What is said, in order.
    pub lines: Vec<Line>,
}

/// One utterance with what the viewer should notice about it.
pub struct Line {
    /// What is said.
    pub words: Words,
    /// What to notice.
    pub notice: &'static str,
}

/// How an utterance is made.
pub enum Words {
    /// It is typed.
    Typed(&'static str),
    /// It is spoken.
    Spoken {
        /// Who speaks: a voice of the recordings.
        voice: String,
        /// A FLAC file.
        recording: Bytes,
    },
}

/// A launch brief, typed in Korean: explicit answers, a bare answer, a correction, the user's own question, the order
/// to begin.
const TYPED_KOREAN: [(&str, &str); 8] = [
    (
        "안녕하세요, 다음 주에 제품을 하나 출시하려고 해요",
        "small talk fills no slot",
    ),
    ("루미세럼", "a bare answer to the question just asked"),
    (
        "카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건이에요",
        "several slots in one turn, at once, without a model",
    ),
    ("3만9천원", "a bare price becomes a band, by the playbook's table"),
    (
        "타겟은 20대 여성, 이유는 트러블 진정",
        "the words that each value came from are kept",
    ),
    (
        "아니, 제품명은 루미앰플이야",
        "a correction, at any time before the run starts",
    ),
    (
        "채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초",
        "the last required slots: the gate opens",
    ),
    (
        "좋아요, 이제 만들어줘",
        "the run never starts by itself: the user asks for it",
    ),
];

/// What to notice about the recordings of the spoken brief, by their ids.
const SPOKEN_NOTICES: [(&str, &str); 13] = [
    ("brief-01-hello", "small talk fills no slot"),
    ("brief-02-name", "an answer to the question just asked"),
    ("brief-03-category", "one question a turn, never twice the same"),
    ("brief-04-features", "a list, out of one sentence"),
    (
        "brief-05-price",
        "a bare price becomes a band, by the playbook's table",
    ),
    ("brief-06-who", "a bare answer"),
    (
        "brief-07-side-question",
        "a colleague asks: answered first, then the interview goes on",
    ),
    ("brief-08-why", "the words that each value came from are kept"),
    ("brief-09-channels", "one or two channels"),
    (
        "brief-10-correction",
        "another colleague corrects the price, at any time before the run starts",
    ),
    ("brief-11-goal", "a goal, mapped from everyday words"),
    (
        "brief-12-video",
        "an optional slot: more detail still enriches the brief",
    ),
    (
        "brief-13-start",
        "the run never starts by itself: the user asks for it",
    ),
];

/// The brief that is typed, in Korean.
pub fn typed() -> Script {
    let lines = TYPED_KOREAN.into_iter().map(|(text, notice)| Line {
        words: Words::Typed(text),
        notice,
    });
    Script {
        locale: Locale::Ko,
        lines: lines.collect(),
    }
}

/// The brief that is spoken, in English: recorded speech that ships with the project.
pub fn spoken() -> Script {
    let brief = shipped()
        .iter()
        .filter(|utterance| utterance.used_by == UsedBy::Brief);
    let notice = |id: &str| {
        SPOKEN_NOTICES
            .iter()
            .find(|(of, _)| *of == id)
            .map_or("", |(_, notice)| *notice)
    };
    let lines = brief.map(|utterance| Line {
        words: Words::Spoken {
            voice: utterance.voice.clone(),
            recording: Bytes::from_static(utterance.flac()),
        },
        notice: notice(&utterance.id),
    });
    Script {
        locale: Locale::En,
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_what_to_notice() {
        for script in [typed(), spoken()] {
            assert!(script.lines.iter().all(|line| !line.notice.is_empty()));
        }
        assert_eq!(spoken().lines.len(), SPOKEN_NOTICES.len());
    }
}
