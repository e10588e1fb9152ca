//! The gate: from the brief alone, whether a run may start, and what is missing.

use greenroom_protocol::Gate;

use crate::Brief;
use crate::playbook::Playbook;

/// Judges a brief by the playbook's rules.
pub fn gate(brief: &Brief, playbook: &Playbook) -> Gate {
    let required: Vec<_> = playbook.slots.iter().filter(|slot| slot.required).collect();
    let missing_required: Vec<_> = required
        .iter()
        .filter(|spec| {
            !brief
                .get(&spec.path)
                .is_some_and(|slot| spec.accepts(&slot.value))
        })
        .map(|spec| spec.path.clone())
        .collect();
    let filled: Vec<_> = required
        .iter()
        .filter(|spec| !missing_required.contains(&spec.path))
        .filter_map(|spec| brief.get(&spec.path).map(|slot| (&spec.path, slot.confidence)))
        .collect();
    let threshold = playbook.gate_min_confidence;
    let mean = mean(filled.iter().map(|(_, confidence)| *confidence));
    let confident = mean.is_none_or(|mean| mean >= threshold);
    let low_confidence = if confident {
        Vec::new()
    } else {
        filled
            .iter()
            .filter(|(_, confidence)| *confidence < threshold)
            .map(|(path, _)| (*path).clone())
            .collect()
    };
    Gate {
        ready: missing_required.is_empty() && confident,
        completeness: share(filled.len(), required.len()),
        missing_required,
        low_confidence,
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some(values.sum::<f64>() / f64::from(count))
}

fn share(part: usize, whole: usize) -> f64 {
    let (Ok(part), Ok(whole)) = (u32::try_from(part), u32::try_from(whole)) else {
        return 0.0;
    };
    if whole == 0 {
        1.0
    } else {
        (f64::from(part) / f64::from(whole) * 100.0).round() / 100.0
    }
}
