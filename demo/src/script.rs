//! What the user of the demo says.

/// One utterance with what the viewer should notice about it.
pub struct Line {
    /// What is said.
    pub text: &'static str,
    /// What to notice.
    pub notice: &'static str,
}

/// A launch brief, typed in Korean: explicit answers, a bare answer, a correction, the user's own question, the order
/// to begin.
pub const TYPED_KOREAN: &[Line] = &[
    Line {
        text: "안녕하세요, 다음 주에 제품을 하나 출시하려고 해요",
        notice: "small talk fills no slot",
    },
    Line {
        text: "루미세럼",
        notice: "a bare answer to the question just asked",
    },
    Line {
        text: "카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건이에요",
        notice: "several slots in one turn, at once, without a model",
    },
    Line {
        text: "3만9천원",
        notice: "a bare price becomes a band, by the playbook's table",
    },
    Line {
        text: "타겟은 20대 여성, 이유는 트러블 진정",
        notice: "the words that each value came from are kept",
    },
    Line {
        text: "아니, 제품명은 루미앰플이야",
        notice: "a correction, at any time before the run starts",
    },
    Line {
        text: "채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초",
        notice: "the last required slots: the gate opens",
    },
    Line {
        text: "좋아요, 이제 만들어줘",
        notice: "the run never starts by itself: the user asks for it",
    },
];
