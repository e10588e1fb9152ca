//! Where a text names a slot and says what it is: `가격은 …`, `category: …`, `our goal is …`.

use super::korean;
use super::mood::{is_correction, is_filler};
use super::text::{
    Sentence, Span, Text, equals, is_alphanumeric, is_hangul, is_one_of, phrase_at, starts_with_any,
};
use super::word_set::WordSet;
use crate::playbook::{SlotKind, SlotSpec};

/// Words that open a reason.
const REASONS: [&str; 6] = ["because", "since", "왜냐하면", "왜냐면", "왜냐", "because of"];
/// Last words of labels that need no further link: `the product is called …`, `it costs …`.
const VERBS: [&str; 6] = ["called", "named", "costs", "cost", "it", "is"];

/// What links an English label to its value.
#[rustfmt::skip]
const COPULAS: [&str; 16] = [
    "is going to be", "are going to be", "will be", "would be", "should be", "must be", "is called",
    "is named", "is", "are", "was", "were", "includes", "include", "including", "'s",
];

/// How a label is tied to its value; the weaker the link, the more has to speak for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// `가격: …`
    Colon,
    /// `가격은 …`
    Topic,
    /// `가격이 …`, `가격을 …로`
    Particle,
    /// `the price is …`
    Copula,
    /// `change the price to …`
    Change,
    /// `because …`
    Reason,
    /// `it is called …`
    Verb,
    /// `category skincare`
    Adjacent,
}

/// A label with the words that belong to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    /// The index of the slot.
    pub slot: usize,
    /// How label and words are tied.
    pub link: Link,
    /// The label.
    pub label: Span,
    /// The words after it.
    pub value: Span,
    /// Whether another answer follows in the same sentence.
    pub runs_on: bool,
    /// The index of the sentence.
    pub sentence: usize,
}

/// A place where a label stands.
struct Occurrence {
    slot: usize,
    link: Link,
    label: Span,
    value_start: usize,
}

/// Whether a slot asks for a reason, which may be a whole clause.
pub(crate) fn asks_reason(slot: &SlotSpec) -> bool {
    const REASON_LABELS: [&str; 5] = ["이유", "왜냐하면", "because", "reason", "why"];
    matches!(slot.kind, SlotKind::Text)
        && slot
            .labels
            .values()
            .flatten()
            .any(|label| REASON_LABELS.contains(&label.as_str()))
}

/// Whether a slot asks what something is called, which every word can be.
pub(crate) fn asks_name(slot: &SlotSpec) -> bool {
    const NAME_LABELS: [&str; 2] = ["name", "이름"];
    matches!(slot.kind, SlotKind::Text)
        && slot
            .labels
            .values()
            .flatten()
            .any(|label| NAME_LABELS.contains(&label.as_str()))
}

/// Finds the explicit answers of a text. `asked` is the slot that was asked for.
pub(crate) fn segments(
    text: &Text<'_>,
    sentences: &[Sentence],
    slots: &[SlotSpec],
    asked: Option<usize>,
) -> Vec<Segment> {
    let labels = Labels::new(slots);
    let mut found: Vec<Segment> = Vec::new();
    for (index, sentence) in sentences.iter().enumerate() {
        let first = found.len();
        let mut at = sentence.span.start;
        while at < sentence.span.end {
            let occurrence = labels.occurrence(text, at, sentence.span.end);
            let before = found[first..].last().copied();
            match occurrence {
                Some(occurrence) if is_answer(text, sentence.span, slots, asked, before, &occurrence) => {
                    if let Some(before) = found[first..].last_mut() {
                        before.value.end = occurrence.label.start.max(before.value.start);
                        before.runs_on = true;
                    }
                    at = occurrence.value_start;
                    let end = sentence.span.end.max(at);
                    found.push(Segment {
                        slot: occurrence.slot,
                        link: occurrence.link,
                        label: occurrence.label,
                        value: Span::new(at, end),
                        runs_on: false,
                        sentence: index,
                    });
                }
                Some(_) | None => at += 1,
            }
        }
    }
    for segment in &mut found {
        segment.value = without_links(text, segment.value);
    }
    take_lines_below(text, sentences, &mut found);
    found
}

/// All labels, found by their first character.
struct Labels<'s> {
    by_first: Vec<(char, usize, &'s str)>,
}

impl<'s> Labels<'s> {
    fn new(slots: &'s [SlotSpec]) -> Self {
        let labels = slots.iter().enumerate().flat_map(|(slot, spec)| {
            spec.labels
                .values()
                .flatten()
                .filter_map(move |label| Some((label.chars().next()?, slot, label.as_str())))
        });
        let mut by_first: Vec<_> = labels.collect();
        by_first.sort_unstable_by_key(|(first, ..)| *first);
        Self { by_first }
    }

    /// The longest label with a link at an index.
    fn occurrence(&self, text: &Text<'_>, at: usize, end: usize) -> Option<Occurrence> {
        let first_char = text.get(at).filter(|_| text.is_word_start(at))?;
        let from = self.by_first.partition_point(|(first, ..)| *first < first_char);
        let mut longest: Option<Occurrence> = None;
        for (_, slot, label) in self.by_first[from..]
            .iter()
            .take_while(|(first, ..)| *first == first_char)
        {
            let Some(label_end) = phrase_at(text.chars(), at, label).filter(|label_end| *label_end <= end)
            else {
                continue;
            };
            if longest
                .as_ref()
                .is_some_and(|longest| longest.label.end >= label_end)
            {
                continue;
            }
            if let Some((link, value_start)) = link(text, label, label_end) {
                longest = Some(Occurrence {
                    slot: *slot,
                    link,
                    label: Span::new(at, label_end),
                    value_start,
                });
            }
        }
        longest
    }
}

/// What ties a label to what follows, and where that begins.
fn link(text: &Text<'_>, label: &str, end: usize) -> Option<(Link, usize)> {
    let chars = text.chars();
    let blanks = |from: usize| {
        chars[from..]
            .iter()
            .take_while(|char| char.is_whitespace() && **char != '\n')
            .count()
    };
    let next = end + blanks(end);
    if matches!(text.get(next), Some(':' | '=')) || (next > end && text.get(next) == Some('-')) {
        return Some((Link::Colon, next + 1));
    }
    if let Some(linked) = particle_link(text, end) {
        return Some(linked);
    }
    if text.get(end).is_some_and(is_alphanumeric) {
        return None;
    }
    if REASONS.contains(&label) {
        return Some((Link::Reason, end));
    }
    if label.rsplit(' ').next().is_some_and(|last| VERBS.contains(&last)) {
        return Some((Link::Verb, end));
    }
    let copula = COPULAS.iter().find_map(|copula| phrase_at(chars, next, copula));
    if let Some(after) = copula {
        return Some((Link::Copula, after));
    }
    if let Some(after) = phrase_at(chars, next, "to") {
        return Some((Link::Change, after));
    }
    Some((Link::Adjacent, end))
}

fn particle_link(text: &Text<'_>, end: usize) -> Option<(Link, usize)> {
    const TOPICS: [&str; 8] = ["으로는", "에서는", "로는", "에는", "이란", "란", "은", "는"];
    const PARTICLES: [&str; 5] = ["이", "가", "을", "를", "도"];
    let rest = &text.chars()[end..];
    let breaks = |length: usize| !rest.get(length).is_some_and(|next| is_alphanumeric(*next));
    for topic in TOPICS {
        let length = topic.chars().count();
        // Without a blank after it only the short form is taken: `가격은29000원`.
        if starts_with_any(rest, &[topic]) && (breaks(length) || length == 1) {
            let colon = usize::from(matches!(rest.get(length), Some(':' | ',')));
            return Some((Link::Topic, end + length + colon));
        }
    }
    PARTICLES
        .iter()
        .any(|particle| starts_with_any(rest, &[particle]) && breaks(1))
        .then_some((Link::Particle, end + 1))
}

fn is_answer(
    text: &Text<'_>,
    sentence: Span,
    slots: &[SlotSpec],
    asked: Option<usize>,
    before: Option<Segment>,
    found: &Occurrence,
) -> bool {
    let spoken = Span::new(
        before.map_or(sentence.start, |before| before.value.start),
        found.label.start,
    );
    let has_content = text.words(spoken).any(|word| !is_lead(text.at(word)));
    // `이유는 가격이 저렴해서`: the second label is what the first one says.
    if before.is_some() && !has_content && !is_restart(text, spoken) {
        return false;
    }
    let opens_clause = opens_clause(text, sentence.start, found.label.start);
    let in_group =
        |slot: usize| slot != found.slot && slots[slot].path.parts().0 == slots[found.slot].path.parts().0;
    match found.link {
        Link::Colon | Link::Topic => true,
        Link::Particle | Link::Adjacent => opens_clause,
        Link::Copula | Link::Verb => !is_subordinate(text, spoken),
        Link::Change => changes(text, sentence.start, found.label.start),
        Link::Reason => match before {
            Some(before) => in_group(before.slot),
            None => asked.is_some_and(|asked| {
                if asked == found.slot {
                    !has_content
                } else {
                    has_content && in_group(asked)
                }
            }),
        },
    }
}

/// `아니 가격은`: a correction between two labels.
fn is_restart(text: &Text<'_>, span: Span) -> bool {
    text.words(span).any(|word| is_correction(text.at(word)))
}

/// Words that may stand before a label and say nothing.
pub(crate) fn is_lead(word: &[char]) -> bool {
    #[rustfmt::skip]
    static LEADS: WordSet<37> = WordSet::new([
        "the", "our", "my", "its", "a", "an", "and", "also", "with", "then", "but", "for", "set", "change",
        "update", "make", "switch", "please", "및", "또", "또한", "우리", "저희", "제", "내", "이번", "주", "그럼", "하지만",
        "이제", "참", "희망", "저희의", "i", "mean", "let's", "now",
    ]);
    LEADS.contains(word) || is_filler(word) || is_correction(word)
}

/// Whether nothing but leads stands between a place and the beginning of its clause.
fn opens_clause(text: &Text<'_>, sentence_start: usize, at: usize) -> bool {
    let chars = text.chars();
    let mut at = at;
    loop {
        while at > sentence_start && chars[at - 1].is_whitespace() {
            at -= 1;
        }
        if at == sentence_start || !(is_alphanumeric(chars[at - 1]) || chars[at - 1] == '\'') {
            return true;
        }
        let end = at;
        while at > sentence_start && (is_alphanumeric(chars[at - 1]) || chars[at - 1] == '\'') {
            at -= 1;
        }
        let word = &chars[at..end];
        if korean::ends_clause(word) && word.iter().copied().any(is_hangul) {
            return true;
        }
        if !is_lead(word) {
            return false;
        }
    }
}

/// `because the price is low`, `people whose goal is …`: no answer to the label's question.
fn is_subordinate(text: &Text<'_>, spoken: Span) -> bool {
    #[rustfmt::skip]
    static SUBORDINATING: WordSet<10> = WordSet::new([
        "because", "since", "if", "when", "that", "whether", "whose", "their", "his", "her",
    ]);
    let mut last = None;
    for word in text
        .words(spoken)
        .map(|word| text.at(word))
        .filter(|word| !is_one_of(word, &["the", "our", "my", "a", "its"]))
    {
        last = Some(word);
    }
    last.is_some_and(|word| SUBORDINATING.contains(word))
}

fn changes(text: &Text<'_>, start: usize, end: usize) -> bool {
    #[rustfmt::skip]
    const VERBS: [&str; 9] = [
        "change", "changing", "set", "update", "make", "switch", "move", "correct", "rename",
    ];
    text.words(Span::new(start, end))
        .any(|word| is_one_of(text.at(word), &VERBS))
}

/// A range without the words that only link it to what follows: `…, and the`.
fn without_links(text: &Text<'_>, span: Span) -> Span {
    let mut span = text.trim(span);
    while let Some(word) = text.last_word(span) {
        let links = is_lead(text.at(word)) && word.start > span.start && !equals(text.at(word), "주");
        if !links {
            break;
        }
        span = text.trim(Span::new(span.start, word.start));
    }
    span
}

/// `features:` with its items on the lines below.
fn take_lines_below(text: &Text<'_>, sentences: &[Sentence], found: &mut [Segment]) {
    for at in 0..found.len() {
        if found[at].link == Link::Colon && found[at].value.is_empty() {
            let next = found
                .get(at + 1)
                .map_or(text.span().end, |next| sentences[next.sentence].span.start);
            let start = found[at].value.start.min(text.span().end);
            found[at].value = text.trim(Span::new(start, next));
        }
    }
}
