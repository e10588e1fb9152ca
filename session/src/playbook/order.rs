//! The order of the stages: what `after` may name, and circles in it.

use greenroom_protocol::StageId;

use super::document::{Located, Section, hint};
use super::fault::Told;

/// A stage comes after earlier ones only, so that there can be no circle.
pub(super) fn read_after(
    section: &Section<'_>,
    index: usize,
    ids: &[Option<StageId>],
    wishes: &[Vec<Located<String>>],
) -> Vec<StageId> {
    let place_of = |name: &str| {
        ids.iter()
            .position(|id| id.as_ref().is_some_and(|id| id.as_str() == name))
    };
    let mut after = Vec::new();
    for name in &wishes[index] {
        let wanted = &name.value;
        let told = match place_of(wanted) {
            Some(place) if place < index => {
                after.extend(ids[place].clone());
                continue;
            }
            Some(place) if place == index => Told::from((
                format!("the stage `{wanted}` cannot come after itself"),
                "leave it out",
            )),
            Some(place) => match way_back(place, index, wishes, &place_of) {
                Some(way) => {
                    let circle: Vec<&str> = [index]
                        .iter()
                        .chain(way.iter().rev())
                        .filter_map(|stage| ids[*stage].as_ref())
                        .map(StageId::as_str)
                        .collect();
                    let circle = circle.join(" → ");
                    Told::from((
                        format!("the stages wait for each other in a circle: {circle}"),
                        "take one `after` out",
                    ))
                }
                None => Told::from((
                    format!("the stage `{wanted}` stands further down"),
                    "move it above this one",
                )),
            },
            None => {
                let earlier: Vec<&str> = ids[..index].iter().flatten().map(StageId::as_str).collect();
                Told::from((format!("there is no stage `{wanted}`"), hint(wanted, &earlier)))
            }
        };
        section.fault(Some(name.at), told);
    }
    after
}

/// The stages from `target` on, each of which waits for the one before it, to `from`; none if `from` waits for no such.
fn way_back(
    from: usize,
    target: usize,
    wishes: &[Vec<Located<String>>],
    place_of: &impl Fn(&str) -> Option<usize>,
) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; wishes.len()];
    let mut waiting = vec![from];
    while let Some(stage) = waiting.pop() {
        for next in wishes[stage].iter().filter_map(|name| place_of(&name.value)) {
            if next != from && came_from[next].is_none() {
                came_from[next] = Some(stage);
                waiting.push(next);
            }
        }
    }
    let mut way = vec![target];
    let mut stage = target;
    while stage != from {
        stage = came_from[stage]?;
        way.push(stage);
    }
    Some(way)
}
