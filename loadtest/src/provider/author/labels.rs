//! Values that are said with their label: `제품명은 루미세럼, price is 25 dollars`.

use greenroom_protocol::Locale;

use super::facts::has_hangul;

/// What users call the slots of a launch brief, by the last part of the path.
const LABELS: &[(&str, &[&str])] = &[
    ("name", &["제품명", "제품 이름", "이름", "product name", "name"]),
    ("category", &["카테고리", "분야", "category"]),
    ("features", &["특징", "장점", "features", "feature"]),
    ("price_band", &["가격대", "가격", "price band", "price"]),
    ("who", &["타겟", "타깃", "대상", "고객", "target", "audience"]),
    ("why", &["이유", "why", "reason"]),
    ("channels", &["채널", "channels", "channel"]),
    ("weekly_goal", &["이번 주 목표", "목표", "weekly goal", "goal"]),
    ("video_seconds", &["영상 길이", "길이", "video length", "length"]),
];

/// What stands between a label and its value.
const PARTICLES: &[&str] = &[
    "은 ", "는 ", "이 ", "가 ", "을 ", "를 ", ": ", ":", " is ", " are ", " = ", "=",
];

/// A label that was said, with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labelled<'t> {
    /// Which of the paths it is for.
    pub(super) slot: usize,
    /// From the label to the end of the value.
    pub(super) words: &'t str,
    pub(super) value: &'t str,
}

/// The labels of slots, by the slots' paths, that a text says.
pub(super) fn find<'t>(text: &'t str, paths: &[&str]) -> Vec<Labelled<'t>> {
    let mut marks: Vec<(usize, usize, usize)> = paths
        .iter()
        .enumerate()
        .filter_map(|(slot, path)| {
            find_label(text, path).map(|(start, value_start)| (start, value_start, slot))
        })
        .collect();
    marks.sort_unstable();
    let starts: Vec<usize> = marks.iter().map(|(start, _, _)| *start).collect();
    marks
        .into_iter()
        .enumerate()
        .filter_map(|(index, (start, value_start, slot))| {
            let until = starts.get(index + 1).copied().unwrap_or(text.len());
            let rest = text.get(value_start..until)?;
            let value_end = rest.find(['.', '\n']).map_or(until, |end| value_start + end);
            let trim = |part: &'t str| {
                let part = part.trim().trim_end_matches([',', '.', ' ']);
                part.strip_suffix(" and")
                    .or_else(|| part.strip_suffix(" 그리고"))
                    .unwrap_or(part)
                    .trim_end_matches(',')
            };
            let (words, value) = (
                trim(text.get(start..value_end)?),
                trim(text.get(value_start..value_end)?),
            );
            (!value.is_empty()).then_some(Labelled { slot, words, value })
        })
        .collect()
}

/// Where a label of the slot begins and where its value begins. A label stands at the beginning or after a break.
fn find_label(text: &str, path: &str) -> Option<(usize, usize)> {
    let own = name_of(path).replace('_', " ");
    // Lowercase ASCII only, so that every index is one of the original text too.
    let lowercase = text.to_ascii_lowercase();
    known(path)
        .iter()
        .copied()
        .chain(std::iter::once(own.as_str()))
        .find_map(|label| {
            lowercase.match_indices(label).find_map(|(start, _)| {
                let before = lowercase[..start].trim_end_matches(' ');
                let begins = before.is_empty()
                    || before.ends_with([',', '.', '\n', '!', '、'])
                    || before.ends_with(" and");
                let rest = &lowercase[start + label.len()..];
                let particle = PARTICLES
                    .iter()
                    .find(|particle| rest.starts_with(**particle))
                    .filter(|_| begins)?;
                Some((start, start + label.len() + particle.len()))
            })
        })
}

/// What to call a slot when asking for it.
pub(super) fn label_of(path: &str, locale: Locale) -> String {
    let wanted = known(path)
        .iter()
        .find(|label| has_hangul(label) == (locale == Locale::Ko));
    wanted.map_or_else(|| name_of(path).replace('_', " "), |label| (*label).to_owned())
}

fn known(path: &str) -> &'static [&'static str] {
    let labels = LABELS.iter().find(|(name, _)| *name == name_of(path));
    labels.map_or(&[], |(_, labels)| *labels)
}

fn name_of(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_the_next_label_begins() {
        let found = find(
            "Name is Lumi, features: gentle, vegan and price is $25.",
            &["p.features", "p.name", "p.price_band"],
        );
        assert_eq!(
            found,
            [
                Labelled {
                    slot: 1,
                    words: "Name is Lumi",
                    value: "Lumi"
                },
                Labelled {
                    slot: 0,
                    words: "features: gentle, vegan",
                    value: "gentle, vegan"
                },
                Labelled {
                    slot: 2,
                    words: "price is $25",
                    value: "$25"
                },
            ]
        );
    }

    #[test]
    fn a_label_within_a_sentence_is_none() {
        assert_eq!(find("I like the name is what I said", &["p.name"]), []);
        assert_eq!(find("이름", &["p.name"]), []);
    }

    #[test]
    fn a_slot_of_another_playbook_is_called_by_its_path() {
        assert_eq!(
            find("story topic is dragons", &["s.story_topic"])[0].value,
            "dragons"
        );
        assert_eq!(label_of("s.story_topic", Locale::Ko), "story topic");
        assert_eq!(label_of("product.name", Locale::Ko), "제품명");
    }
}
