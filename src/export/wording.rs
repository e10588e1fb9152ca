//! The words of the frame around a package, in each language, and readable forms of names that the playbook has no
//! word for.

use greenroom_protocol::Locale;

/// What an exported document itself says; everything else in it was written by the user, the model or the playbook.
pub(super) struct Wording {
    pub(super) language_tag: &'static str,
    pub(super) package: &'static str,
    pub(super) contents: &'static str,
    pub(super) brief: &'static str,
    pub(super) made_at: &'static str,
    pub(super) run: &'static str,
    pub(super) simulated: &'static str,
    pub(super) simulated_explained: &'static str,
    pub(super) draft: &'static str,
    pub(super) draft_explained: &'static str,
    pub(super) gaps: &'static str,
    pub(super) unsure: &'static str,
    pub(super) flags: &'static str,
    pub(super) origins: &'static str,
    pub(super) part: &'static str,
    pub(super) model: &'static str,
    pub(super) attempt: &'static str,
    pub(super) dropped: &'static str,
    pub(super) files: &'static str,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    /// What stands where there is nothing.
    pub(super) nothing: &'static str,
}

const KOREAN: Wording = Wording {
    language_tag: "ko",
    package: "결과 패키지",
    contents: "차례",
    brief: "브리프",
    made_at: "만든 때",
    run: "실행",
    simulated: "시뮬레이션",
    simulated_explained: "이 문서의 글은 시뮬레이터가 지어낸 예시이며 실제 AI가 쓴 것이 아닙니다. \
                          사실로 여기거나 밖에 내보내지 마세요.",
    draft: "초안",
    draft_explained: "브리프가 다 채워지기 전에, 있는 내용만으로 만들었습니다.",
    gaps: "비어 있는 항목",
    unsure: "확실하지 않은 항목",
    flags: "확인이 필요한 점",
    origins: "글의 출처",
    part: "항목",
    model: "모델",
    attempt: "시도",
    dropped: "검토에서 제외",
    files: "함께 든 파일",
    yes: "예",
    no: "아니요",
    nothing: "없음",
};

const ENGLISH: Wording = Wording {
    language_tag: "en",
    package: "Package",
    contents: "Contents",
    brief: "Brief",
    made_at: "Made",
    run: "Run",
    simulated: "Simulated",
    simulated_explained: "A simulator made these texts up as examples; no real AI wrote them. \
                          Do not take them for facts, and do not publish them.",
    draft: "Draft",
    draft_explained: "Made before the brief was complete, from what was there.",
    gaps: "Still missing",
    unsure: "Uncertain",
    flags: "To be checked",
    origins: "Where the texts come from",
    part: "Part",
    model: "Model",
    attempt: "Attempt",
    dropped: "Left out by checks",
    files: "Files beside this page",
    yes: "Yes",
    no: "No",
    nothing: "None",
};

impl Wording {
    /// The words of a language.
    pub(super) const fn of(locale: Locale) -> &'static Self {
        match locale {
            Locale::Ko => &KOREAN,
            Locale::En => &ENGLISH,
        }
    }
}

/// A name of the playbook or of a schema as people would write it: `market_signals` becomes `Market signals`.
pub(super) fn humanised(name: &str) -> String {
    let spaced = name.replace(['_', '-'], " ");
    capitalised(spaced.trim())
}

/// With a capital first letter.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (name, words) in [
            ("market_signals", "Market signals"),
            ("kpi", "Kpi"),
            ("", ""),
            ("_", ""),
            ("시장", "시장"),
        ] {
            assert_eq!(humanised(name), words);
        }
    }
}
