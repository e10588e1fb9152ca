//! What prompts say of slots: a slot that a prompt names must be one of the playbook's.

use greenroom_protocol::SlotPath;

use super::SlotSpec;
use super::document::{Located, hint};
use super::fault::Place;
use super::load::Reading;

/// What a prompt may write before a slot's path.
const BRIEF_PREFIX: &str = "brief.";

/// Reports the slots between backticks (`` `product.name` ``, `` `brief.product.name` ``) that no slot is. A name is
/// taken for a slot's if it begins like one or with `brief.`; anything else is the prompt's own matter.
pub(super) fn check(reading: &Reading<'_>, slots: &[Located<SlotSpec>]) {
    let paths: Vec<&str> = slots.iter().map(|slot| slot.value.path.as_str()).collect();
    let is_group = |name: &str| slots.iter().any(|slot| slot.value.path.parts().0 == name);
    for (file, prompt) in reading.prompts() {
        for (offset, code) in code_spans(prompt) {
            let (named, in_brief) = match code.strip_prefix(BRIEF_PREFIX) {
                Some(named) => (named, true),
                None => (code, false),
            };
            let is_path = named.parse::<SlotPath>().is_ok();
            let is_meant = is_path && (in_brief || named.split('.').next().is_some_and(is_group));
            if is_meant && !paths.contains(&named) {
                let at = Place::of(prompt, offset);
                let told = (
                    format!("the prompt names a slot `{named}`, which there is not"),
                    hint(named, &paths),
                );
                reading.faults.newer_rule(&file, Some(at), told);
            }
        }
    }
}

/// What stands between single backticks on one line, with its offset.
fn code_spans(text: &str) -> Vec<(usize, &str)> {
    let mut spans = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let mut offset = line_start;
        for (number, piece) in line.split('`').enumerate() {
            if number % 2 == 1 {
                spans.push((offset, piece));
            }
            offset += piece.len() + 1;
        }
        line_start += line.len();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_are_found_with_their_places() {
        let text = "a `b.c` d\n가 `e` `f";
        assert_eq!(code_spans(text), [(3, "b.c"), (15, "e"), (19, "f")]);
    }
}
