//! Example texts for regular expressions.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::chance::Chance;

/// Repetitions added to the fewest that a pattern allows, to reach a length.
const EXTRA_REPETITIONS_MAX: u32 = 64;

/// A text that matches the pattern and has a length (in characters) within the bounds, if a simple one does.
pub(crate) fn example(pattern: &str, chance: Chance, length_min: usize, length_max: usize) -> Option<String> {
    let parsed = regex_syntax::Parser::new().parse(pattern).ok()?;
    let matcher = regex::Regex::new(pattern).ok()?;
    (0..=EXTRA_REPETITIONS_MAX)
        .map_while(|extra| {
            let mut text = String::new();
            write(&parsed, chance, extra, &mut text)?;
            Some(text)
        })
        // Anchors in odd places and word boundaries are not written for, so that they are checked instead.
        .find(|text| (length_min..=length_max).contains(&text.chars().count()) && matcher.is_match(text))
}

fn write(hir: &Hir, chance: Chance, extra: u32, text: &mut String) -> Option<()> {
    let chance = chance.at("part");
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(member(class, chance.at(&text.len().to_string()))?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let times = repetition.min.saturating_add(extra).min(most);
            for _ in 0..times {
                write(&repetition.sub, chance, extra, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, chance, extra, text)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, chance, extra, text)?;
            }
        }
        HirKind::Alternation(choices) => {
            write(choices.get(chance.below(choices.len()))?, chance, extra, text)?;
        }
    }
    Some(())
}

/// A readable member of a class where it has one: a letter or a digit before anything else.
fn member(class: &Class, chance: Chance) -> Option<char> {
    let contains = |letter: char| match class {
        Class::Unicode(class) => class
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&letter)),
        Class::Bytes(class) => u8::try_from(letter).is_ok_and(|byte| {
            class
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&byte))
        }),
    };
    let readable: Vec<char> = ('a'..='z')
        .chain('0'..='9')
        .chain('A'..='Z')
        .filter(|letter| contains(*letter))
        .collect();
    if let Some(letter) = readable.get(chance.below(readable.len())) {
        return Some(*letter);
    }
    match class {
        Class::Unicode(class) => class
            .iter()
            .next()
            .map(regex_syntax::hir::ClassUnicodeRange::start),
        Class::Bytes(class) => class.iter().next().map(|range| char::from(range.start())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, length_min: usize, length_max: usize) {
        let text = example(pattern, Chance::new(7, pattern), length_min, length_max).unwrap();
        let schema = serde_json::json!({
            "type": "string", "pattern": pattern, "minLength": length_min, "maxLength": length_max,
        });
        assert!(
            jsonschema::is_valid(&schema, &text.as_str().into()),
            "{text} does not match {pattern}"
        );
    }

    #[test]
    fn examples_match_their_pattern() {
        check("^[0-9]{2}:[0-9]{2}$", 0, 100);
        check("^(hook|benefit|cta)$", 0, 100);
        check("^https://[a-z]+\\.example$", 20, 40);
        check("^\\d{4}-\\d{2}-\\d{2}$", 0, 100);
        check("^[가-힣]+$", 3, 10);
        check("a+b?", 5, 9);
    }

    #[test]
    fn what_cannot_be_matched_is_none() {
        assert_eq!(example("(", Chance::new(0, ""), 0, 10), None);
        assert_eq!(example("^abc$", Chance::new(0, ""), 5, 10), None);
        assert_eq!(example("a^b", Chance::new(0, ""), 0, 10), None);
    }
}
