//! What people say, and what a planner answers.

use greenroom_session::CommandKind;
use serde_json::{Value, json};

use super::fate::Chance;
use crate::world::{say, set_slots};

/// What a moderator always flags.
pub const BAD: &str = "wicked";

/// Something typed.
pub fn said(chance: &Chance) -> String {
    let sayings = [
        "Hello there",
        "My name is Kim",
        "name: Kim, party: 2 people",
        "wishes: sea, food. pace: calm",
        "제품명은 루미세럼, 카테고리는 스킨케어, 가격은 29000원",
        "이름은 루미세럼이에요",
        "20대 직장인이 쓸 거예요. 채널은 인스타그램이요",
        "What can you do for us?",
        "Actually, a lively pace would be better",
        "Something wicked this way comes",
        "Please start now",
        "?",
        "  ",
    ];
    chance.pick(&sayings).to_owned()
}

pub fn typed(chance: &Chance) -> CommandKind {
    say(&said(chance))
}

/// All slots of the playbook, so that a run may start.
pub fn whole_brief(playbook: &str) -> CommandKind {
    match playbook {
        "concierge" => set_slots(&[
            ("guest.name", json!("Kim")),
            ("guest.party", json!(2)),
            ("stay.wishes", json!(["sea", "food"])),
            ("stay.pace", json!("calm")),
        ]),
        _ => set_slots(&[
            ("product.name", json!("루미세럼")),
            ("product.category", json!("스킨케어")),
            ("product.features", json!(["순하다", "가볍다", "빠르다"])),
            ("product.price_band", json!("mid")),
            ("target.who", json!("20대 직장인")),
            ("target.why", json!("트러블")),
            ("channel.channels", json!(["instagram"])),
            ("goal.weekly_goal", json!("purchase")),
        ]),
    }
}

/// One edit, different each time.
pub fn edited(playbook: &str, chance: &Chance) -> CommandKind {
    let value = json!(format!("note {}", chance.below(1 << 40)));
    match playbook {
        "concierge" => set_slots(&[("stay.allergies", value)]),
        _ => set_slots(&[("target.why", value)]),
    }
}

/// A slot cleared, which may close the gate again.
pub fn cleared(playbook: &str) -> CommandKind {
    match playbook {
        "concierge" => set_slots(&[("stay.pace", Value::Null)]),
        _ => set_slots(&[("goal.weekly_goal", Value::Null)]),
    }
}

/// A planner's reply.
pub fn planned(chance: &Chance) -> Value {
    let answer = chance.pick(&[
        "Noted.",
        "Sure. That can be arranged. Give me a moment.",
        "알겠어요. 바로 적어 둘게요.",
    ]);
    let intent = chance.weigh(&[(12, "none"), (2, "generate"), (1, "draft"), (1, "cancel_run")]);
    let (ask, question) = chance.pick(&[
        (None, ""),
        (Some("guest.name"), "And your name?"),
        (Some("product.name"), "이름이 뭐예요?"),
    ]);
    let updates = match chance.below(4) {
        0 => json!([{ "path": "guest.name", "value": "Kim", "confidence": 0.9, "words": "Kim" }]),
        1 => json!([{ "path": "product.name", "value": "루미세럼", "confidence": 0.9, "words": "루미세럼" }]),
        _ => json!([]),
    };
    json!({ "answer": answer, "slot_updates": updates, "ask": ask, "question": question, "intent": intent })
}
