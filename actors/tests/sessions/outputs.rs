//! Outputs of the launch playbook's stages that keep their contracts.

use serde_json::{Value, json};

use crate::model::{FOUND_URL, answer};

pub fn launch(name: &str) -> Value {
    match name {
        "planner" => answer("알겠어요."),
        "research" => research(),
        "strategy" => strategy(),
        "creative" => creative(),
        "voice" => voice(),
        other => panic!("no output is called {other}"),
    }
}

fn research() -> Value {
    json!({
        "market_signals": [{ "signal": "저자극 제품 검색이 늘고 있다", "impact": "민감 피부를 앞세울 수 있다" }],
        "competitor_notes": [{ "brand": "A", "positioning": "저가", "price_band": "unknown" }],
        "channel_observations": [{ "channel": "인스타", "observation": "짧은 영상이 많다" }],
        "evidence": [
            { "source": "News", "title": "Serum", "url": FOUND_URL, "observed_at": "2026-02", "confidence": 0.8 },
        ],
        "risk_flags": [],
    })
}

fn strategy() -> Value {
    json!({
        "market_assessment": { "strengths": ["순하다"], "risks": ["경쟁"], "uncertainties": ["예산"] },
        "positioning_options": [
            { "id": "p1", "title": "진정", "message": "트러블을 달래는 세럼" },
            { "id": "p2", "title": "빠름", "message": "빠르게 스미는 세럼" },
        ],
        "weekly_plan": [
            { "day": 1, "action": "영상 공개" }, { "day": 3, "action": "후기 모집" }, { "day": 6, "action": "할인" },
        ],
        "required_assets": ["ad_copy", "poster", "video_prompt", "voiceover"],
        "kpi_next_actions": [{ "kpi": "구매", "target": "100건", "action": "미달이면 카피를 바꾼다" }],
    })
}

fn creative() -> Value {
    let copies: Vec<Value> = (0..10)
        .map(|number| json!({ "headline": format!("순한 세럼 {number}"), "body": "진정 세럼", "cta": "지금 보기" }))
        .collect();
    json!({
        "ad_copies": copies,
        "poster_specs": [{ "headline": "순하게", "subheadline": "빠르게", "visual_keywords": ["물", "빛", "유리"] }],
        "video_prompt_package": { "duration_sec": 10, "size": "720x1280", "prompt": "물방울", "shots": ["클로즈업"] },
    })
}

fn voice() -> Value {
    json!({
        "voiceover_script_short": "순하게 시작하세요. 루미세럼. 지금 만나보세요.",
        "voiceover_script_long": "순하게 시작하세요. 매일 쓰는 진정 세럼, 루미세럼. 지금 만나보세요.",
        "tone_profile": "차분하게",
        "delivery_profile": { "pace": "medium", "emphasis_words": ["루미세럼"] },
        "timing_map": [
            { "part": "hook", "start": 0.0, "end": 3.0 },
            { "part": "benefit", "start": 3.0, "end": 7.0 },
            { "part": "cta", "start": 7.0, "end": 10.0 },
        ],
        "subtitle_lines": [{ "start": 0.0, "end": 3.0, "text": "순하게 시작하세요." }],
        "tts_config": { "model": "tts-1", "voice": "nova", "format": "mp3" },
    })
}
