//! Texts by the name of their field, made of the brief's words and marked as simulated.
//!
//! The templates claim nothing: no superlatives, no guarantees, no figures that could be taken for findings.
//! In Korean, nothing that depends on a final consonant follows a placeholder.

use greenroom_protocol::Locale;

use super::facts::{Facts, choose};

/// A template in Korean and in English.
type Template = (&'static str, &'static str);

/// What the fields of research, strategy, creative and voice say.
const TEMPLATES: &[(&[&str], &[Template])] = &[
    (
        &["signal", "market_signals", "trend"],
        &[
            (
                "{category} 분야에서 '{feature}' 관련 이야기가 늘고 있다는 가정",
                "Assumed: people talk more about {feature} in {category}",
            ),
            (
                "{who} 사이에서 '{why}' 관심이 이어진다는 가정",
                "Assumed: interest in {why} holds among {who}",
            ),
            (
                "{channel} 채널의 짧은 영상 후기를 먼저 찾아본다는 가정",
                "Assumed: short video reviews on {channel} are looked up first",
            ),
        ],
    ),
    (
        &["impact"],
        &[
            (
                "'{feature}' 메시지를 앞에 두면 이해가 빠름",
                "Leading with {feature} makes the message quicker to grasp",
            ),
            (
                "{who} 대상 소재의 우선순위가 올라감",
                "Material for {who} moves up the list",
            ),
            (
                "{channel} 채널의 비중을 먼저 점검해야 함",
                "The share of {channel} should be reviewed first",
            ),
        ],
    ),
    (
        &["positioning", "competitor_notes"],
        &[
            (
                "'{feature}' 대신 가격을 앞세우는 것으로 가정",
                "Assumed to lead with price rather than {feature}",
            ),
            (
                "{who} 전체를 넓게 겨냥하는 것으로 가정",
                "Assumed to address {who} broadly",
            ),
            (
                "{category} 입문자를 겨냥하는 것으로 가정",
                "Assumed to address newcomers to {category}",
            ),
        ],
    ),
    (
        &["observation", "channel_observations"],
        &[
            (
                "{channel}: 사용 장면을 먼저 보여 주는 소재가 많다는 가정",
                "{channel}: material that shows the product in use first, as an assumption",
            ),
            (
                "{channel}: 저녁 시간에 반응이 모인다는 가정",
                "{channel}: reactions gather in the evening, as an assumption",
            ),
            (
                "{channel}: 댓글로 이어지는 질문형 문구가 많다는 가정",
                "{channel}: copy that asks a question draws comments, as an assumption",
            ),
        ],
    ),
    (
        &["risk_flags", "risk"],
        &[
            (
                "모의 제공자가 만든 결과이며 실제 조사가 아님",
                "Made by a simulated provider; nothing was researched",
            ),
            (
                "'{feature}' 표현은 근거 확인이 필요함",
                "Statements about {feature} need to be substantiated",
            ),
        ],
    ),
    (&["source"], &[("예시 출처 {n}", "example source {n}")]),
    (
        &["title"],
        &[
            ("{name}: '{feature}' 중심 제안", "{name}: built around {feature}"),
            ("{who} 대상 '{why}' 제안", "For {who}: {why}"),
            ("{category} 속 일상 제안", "An everyday choice in {category}"),
        ],
    ),
    (
        &["strengths"],
        &[
            ("'{feature}' 특징이 분명함", "{feature} is a clear feature"),
            (
                "{who} 고객의 '{why}' 요구와 이어짐",
                "It answers what {who} look for: {why}",
            ),
            (
                "{channel} 채널의 짧은 소재로 보여 주기 쉬움",
                "Easy to show in short material on {channel}",
            ),
        ],
    ),
    (
        &["risks"],
        &[
            (
                "{category} 분야의 비슷한 메시지에 묻힐 수 있음",
                "It may drown among similar messages in {category}",
            ),
            (
                "'{feature}' 설명이 길어질 수 있음",
                "Explaining {feature} may take too long",
            ),
            (
                "{who} 고객이 기대하는 증거가 부족할 수 있음",
                "{who} may miss the proof they expect",
            ),
        ],
    ),
    (
        &["uncertainties"],
        &[
            (
                "{channel} 채널의 실제 반응은 확인되지 않음",
                "Real reactions on {channel} are not known",
            ),
            (
                "{who} 고객의 구매 주기는 확인되지 않음",
                "How often {who} buy is not known",
            ),
            (
                "'{feature}' 특징이 선택에 미치는 영향은 확인되지 않음",
                "How much {feature} sways the choice is not known",
            ),
        ],
    ),
    (
        &["message"],
        &[
            (
                "{who} 고객에게 '{feature}' 이야기를 먼저 전합니다.",
                "Tell {who} about {feature} first.",
            ),
            (
                "'{why}' 고민에서 시작해 {name} 사용 장면으로 이어 갑니다.",
                "Begin with {why}, then show {name} in use.",
            ),
            (
                "{channel} 채널에서 하루의 한 장면으로 {name} 이야기를 풉니다.",
                "Tell the story of {name} as one moment of a day on {channel}.",
            ),
        ],
    ),
    (
        &["action", "actions", "weekly_plan"],
        &[
            (
                "{channel} 채널에 '{feature}' 소개 글을 올립니다.",
                "Post an introduction of {feature} on {channel}.",
            ),
            (
                "{who} 대상 짧은 영상을 공개합니다.",
                "Publish a short video for {who}.",
            ),
            (
                "댓글 질문에 답하고 반응을 기록합니다.",
                "Answer the comments and note the reactions.",
            ),
            (
                "반응이 좋은 문구로 소재를 바꿉니다.",
                "Swap in the copy that did well.",
            ),
            ("한 주의 결과를 정리합니다.", "Sum up the week."),
        ],
    ),
    (
        &["kpi", "metric"],
        &[
            ("{channel} 게시물 저장 수", "Saves of posts on {channel}"),
            ("{name} 문의 수", "Inquiries about {name}"),
            ("{name} 상세 페이지 방문 수", "Visits to the page of {name}"),
        ],
    ),
    (
        &["target"],
        &[
            ("지난주보다 늘리기", "More than last week"),
            ("첫 주에 기준값 정하기", "Set a baseline in the first week"),
        ],
    ),
    (
        &["ad_copies", "ad_copy", "copy", "text", "body"],
        &[
            (
                "{name}, '{feature}' 하루를 시작해 보세요.",
                "{name}: start a day with {feature}.",
            ),
            (
                "{who} 여러분, '{why}' 고민이라면 {name} 이야기를 들어 보세요.",
                "{who}: thinking of {why}? Hear about {name}.",
            ),
            (
                "오늘의 {category}, {name} 어때요?",
                "Today's {category}: how about {name}?",
            ),
            (
                "'{feature}' 순간을 {channel} 채널에서 만나 보세요.",
                "See {feature} on {channel}.",
            ),
            (
                "작은 차이, '{feature}'. {name}.",
                "A small difference: {feature}. {name}.",
            ),
            (
                "'{why}' 때문에 찾았다면, {name}.",
                "If {why} brought you here: {name}.",
            ),
            (
                "{name} 한 번, 일상에 '{feature}' 더하기.",
                "Once with {name}: a day plus {feature}.",
            ),
            (
                "{channel} 채널에서 먼저 만나는 {name}.",
                "Meet {name} first on {channel}.",
            ),
            (
                "{category} 고를 때 '{feature}' 확인해 보세요.",
                "Choosing {category}? Look for {feature}.",
            ),
            ("{who} 여러분의 하루에 {name}.", "{name} for the day of {who}."),
        ],
    ),
    (
        &["headline"],
        &[
            ("{name}, '{feature}' 그대로", "{name}, simply {feature}"),
            ("{who} 여러분의 {category}", "{category} for {who}"),
            ("오늘부터 {name}", "From today: {name}"),
            ("'{why}' 그 마음에서", "It begins with {why}"),
            ("{channel} 채널에서 만나는 '{feature}'", "{feature}, on {channel}"),
        ],
    ),
    (
        &["cta"],
        &[
            ("{channel} 채널에서 자세히 보기", "See more on {channel}"),
            ("{name} 알아보기", "Find out about {name}"),
            ("'{feature}' 확인하기", "Look into {feature}"),
        ],
    ),
    (
        &["subheadline", "subtitle", "tagline"],
        &[
            ("'{why}' 고민에 건네는 한 가지 제안", "One suggestion for {why}"),
            ("{channel} 채널에서 자세히 보기", "More on {channel}"),
        ],
    ),
    (
        &["prompt", "video_prompt", "image_prompt"],
        &[(
            "{name} 제품이 아침 햇살이 드는 책상 위에 놓여 있고, {who} 인물이 손을 뻗는다. '{feature}' 느낌의 차분한 색감, 부드러운 카메라 이동.",
            "{name} on a desk in morning light; a hand of someone among {who} reaches for it. Calm colours that suggest {feature}, a slow camera move.",
        )],
    ),
    (
        &["shots", "shot", "scenes", "description"],
        &[
            (
                "제품 근접 장면, 느린 움직임",
                "Close view of the product, slow move",
            ),
            ("{who} 인물이 사용하는 장면", "One of {who} using it"),
            (
                "'{feature}' 자막과 함께 마무리",
                "Ends with the caption {feature}",
            ),
        ],
    ),
    (
        &["voiceover_script_short", "script"],
        &[(
            "'{why}' 고민이라면, {name}. '{feature}' 하루를 {channel} 채널에서 만나 보세요.",
            "If {why} is on your mind: {name}. See a day with {feature} on {channel}.",
        )],
    ),
    (
        &["voiceover_script_long"],
        &[(
            "{who} 여러분, '{why}' 고민해 본 적 있나요? {name} 이야기를 들려드릴게요. '{feature}' 특징을 일상의 한 장면에 담았습니다. 자세한 내용은 {channel} 채널에서 확인해 보세요.",
            "{who}, have you ever thought about {why}? Here is the story of {name}: {feature} in one moment of a day. You find more on {channel}.",
        )],
    ),
    (
        &["tone", "tone_profile", "style"],
        &[
            ("차분하고 또렷한 말투", "calm and clear"),
            ("가볍고 친근한 말투", "light and friendly"),
        ],
    ),
    (&["pace"], &[("보통 빠르기", "medium")]),
    (
        &["line", "lines", "subtitle_lines", "caption"],
        &[
            ("'{why}' 고민이라면", "If {why} is on your mind"),
            ("{name} 이야기를 들어 보세요", "hear about {name}"),
            ("'{feature}' 하루", "a day with {feature}"),
            ("{who} 여러분께", "for {who}"),
            ("{channel} 채널에서 만나요", "see you on {channel}"),
        ],
    ),
];

/// A text for a field, the `index`-th of its kind. `variant` moves the choice among the templates.
pub(crate) fn text(facts: &Facts, field: &str, index: usize, variant: usize) -> String {
    if let Some(word) = bare_word(facts, field, index) {
        return word;
    }
    let templates = templates(field);
    let template = templates[(variant + index) % templates.len()];
    let filled = fill(facts, choose(facts.locale, template.0, template.1), index)
        .replace("{field}", &field.replace('_', " "));
    format!("{}{filled}", mark(facts.locale))
}

/// What every simulated text begins with.
pub(crate) fn mark(locale: Locale) -> &'static str {
    choose(locale, "[모의] ", "[simulated] ")
}

/// Fields that hold a name or a term rather than a text. Names of others are recognisably invented.
fn bare_word(facts: &Facts, field: &str, index: usize) -> Option<String> {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    let number = index + 1;
    let feature = || nth(&facts.features, index);
    let word = match field {
        "id" | "option_id" => format!("option_{number}"),
        "brand" | "competitor" | "company" => {
            facts.choose("가상 브랜드 ", "Fictional Brand ").to_owned() + &letter.to_string()
        }
        "channel" | "channels" => nth(&facts.channels, index),
        "emphasis_words" | "emphasis" if index == 1 => facts.name.clone(),
        "emphasis_words" | "emphasis" => feature(),
        "visual_keywords" | "keywords" | "hashtags" | "tags" => match index {
            0 => facts.choose("모의 시안", "simulated draft").to_owned(),
            1 => facts.category.clone(),
            _ => nth(&facts.features, index - 2),
        },
        "day" => facts
            .choose(&format!("{number}일차"), &format!("Day {number}"))
            .to_owned(),
        "voice" => "sim-voice".to_owned(),
        "model" => "sim-tts".to_owned(),
        "format" => "mp3".to_owned(),
        "language" | "locale" => facts.choose("ko", "en").to_owned(),
        "required_assets" | "asset" => {
            ["ad_copy", "poster", "video_prompt", "voiceover"][index % 4].to_owned()
        }
        "segment" | "section" | "part" | "phase" | "label" => {
            ["hook", "benefit", "cta"][index % 3].to_owned()
        }
        "price_band" => facts.choose("비슷한 가격대", "a similar price band").to_owned(),
        _ => return None,
    };
    Some(word)
}

fn fill(facts: &Facts, template: &str, index: usize) -> String {
    template
        .replace("{name}", &facts.name)
        .replace("{category}", &facts.category)
        .replace("{feature}", &nth(&facts.features, index))
        .replace("{channel}", &nth(&facts.channels, index))
        .replace("{who}", &facts.who)
        .replace("{why}", &facts.why)
        .replace("{n}", &(index + 1).to_string())
}

fn nth(words: &[String], index: usize) -> String {
    words.get(index % words.len().max(1)).cloned().unwrap_or_default()
}

/// The templates for a field's texts.
fn templates(field: &str) -> &'static [Template] {
    let of_field = TEMPLATES.iter().find(|(fields, _)| fields.contains(&field));
    of_field.map_or(
        &[("{name}: {field} 예시 {n}", "{name}: {field}, example {n}")],
        |(_, templates)| *templates,
    )
}
