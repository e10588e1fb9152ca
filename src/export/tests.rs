//! The whole export: what is in it, that nothing that was written becomes markup, that it is readable for any playbook.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use greenroom_protocol::Locale;
use greenroom_session::playbook::Bundle;
use serde_json::Value;

use super::*;

/// What people and models may write, and no document may take for anything but text.
const HOSTILE: &str = "<script>alert(1)</script> ]]> & \"quoted\" 'x' -->{{}} \u{202e}evil\u{2066} 🎉👩‍👩‍👧 שלום";
const LONG_WORD: usize = 5_000;

fn playbook(folder: &str) -> Playbook {
    fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                read(&path, &format!("{name}/"), files);
            } else {
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        "",
        &mut files,
    );
    Playbook::from_bundle(&Bundle { files }).unwrap()
}

fn launch() -> Playbook {
    playbook("playbooks/launch")
}

fn concierge() -> Playbook {
    playbook("session/tests/playbooks/concierge")
}

fn slot(path: &str, value: &Value) -> Value {
    json!({ "path": path, "value": value, "confidence": 0.9, "source": { "kind": "edit" } })
}

fn started(locale: Locale, draft: bool, brief: &[Value]) -> RunStarted {
    let started = json!({
        "run_id": "run_00000000000000000000000001", "mode": "standard", "locale": locale, "brief": brief,
        "draft": draft, "stages": [], "budget_ms": 600_000,
    });
    serde_json::from_value(started).unwrap()
}

fn output(stage: &str, simulated: bool, output: &Value) -> StageCompleted {
    let completed = json!({
        "run_id": "run_00000000000000000000000001", "stage": stage, "attempt": 2, "output": output, "dropped": 1,
        "provenance": {
            "kind": "model", "provider": "openai", "model": "gpt-5.1", "simulated": simulated,
            "call_id": "call_00000000000000000000000003",
        },
    });
    serde_json::from_value(completed).unwrap()
}

fn research(text: &str) -> Value {
    json!({
        "risk_flags": [text],
        "market_signals": [{ "impact": "so what", "signal": text }],
        "competitor_notes": [{ "brand": text, "positioning": "", "price_band": "premium" }],
        "channel_observations": [],
        "evidence": [
            { "source": "Bureau", "title": text, "url": "https://example.com/a?b=1&c=2", "observed_at": "2026-02", "confidence": 0.85 },
            { "source": "Elsewhere", "title": "Unsafe", "url": "javascript:alert(1)", "observed_at": "unknown", "confidence": 1 },
        ],
    })
}

fn files(run: &FinishedRun<'_>) -> BTreeMap<String, String> {
    let export = run.export().unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(export.bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(name, text);
    }
    files
}

fn exported(
    playbook: &Playbook,
    started: &RunStarted,
    outputs: &[StageCompleted],
) -> BTreeMap<String, String> {
    files(&FinishedRun {
        package: &json!({ "run_id": started.run_id }),
        playbook,
        started,
        waiver: None,
        outputs,
        ended_at: Timestamp::from_unix_ms(1_771_513_204_000),
        assets: &[],
    })
}

/// Fails unless the texts occur in this order.
#[track_caller]
fn check_order(text: &str, wanted: &[&str]) {
    let mut from = 0;
    for part in wanted {
        let at = text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("`{part}` is missing, or too early, in:\n{text}")) + part.len();
    }
}

#[test]
fn the_page_is_in_the_runs_language_and_the_playbooks_order_and_words() {
    let brief = [
        slot("goal.weekly_goal", &json!("purchase")),
        slot("product.name", &json!("루미세럼")),
    ];
    // The stages were complete in another order than the playbook's.
    let strategy = json!({ "weekly_plan": [{ "day": 1, "action": "x" }], "kpi_next_actions": [{ "kpi": "k", "target": "t", "action": "a" }] });
    let outputs = [
        output("strategy", false, &strategy),
        output("research", false, &research("수요 증가")),
    ];
    let korean = exported(&launch(), &started(Locale::Ko, false, &brief), &outputs);
    let page = &korean["index.html"];
    check_order(
        page,
        &[
            "<html lang=\"ko\">",
            "출시 패키지",
            "<h1 dir=\"auto\">루미세럼</h1>",
            "2026-02-19 15:00 UTC",
            "확인이 필요한 점",
            "수요 증가",
            ">브리프</h2>",
            "제품명",
            "루미세럼",
            "목표",
            "구매",
            ">시장 조사</h2>",
            "시장 신호",
            "신호",
            "이번 출시에 주는 의미",
            "고가",
            "href=\"https://example.com/a?b=1&amp;c=2\" rel=\"noopener noreferrer\"",
            "example.com",
            "2026-02",
            "신뢰도: 85%",
            ">전략</h2>",
            "한 주 계획",
            ">지표와 다음 행동</h2>",
            "글의 출처",
        ],
    );
    assert_eq!(
        page.matches("지표와 다음 행동</h2>").count(),
        1,
        "what is lifted stands once"
    );
    assert!(!page.contains("시뮬레이션"), "no simulator was at work");
    let english = exported(&launch(), &started(Locale::En, false, &brief), &outputs);
    check_order(
        &english["index.html"],
        &[
            "<html lang=\"en\">",
            "Launch package",
            "Market research",
            "Strategy",
        ],
    );
    check_order(
        &english["package.md"],
        &["# 루미세럼", "## Market research", "| Signal |", "## Strategy"],
    );
}

#[test]
fn another_playbook_is_readable_without_words_of_its_own() {
    let brief = [
        slot("guest.name", &json!("Ada")),
        slot("stay.pace", &json!("calm")),
    ];
    let outputs = [
        output(
            "scout",
            false,
            &json!({ "places": [{ "name": "Museum", "url": "https://museum.example/x" }], "cautions": ["bring a coat"] }),
        ),
        output(
            "itinerary",
            false,
            &json!({ "hours": [{ "place": "Museum", "start": 0, "end": 2.5 }] }),
        ),
        output(
            "menu",
            false,
            &json!({ "dishes": ["soup", "bread"], "house_rules": ["be kind"] }),
        ),
        output(
            "postcard",
            false,
            &json!({ "text": "Dear Ada,\n\nwish you were here." }),
        ),
    ];
    let files = exported(&concierge(), &started(Locale::En, false, &brief), &outputs);
    check_order(
        &files["index.html"],
        &[
            "<h1 dir=\"auto\">Ada</h1>",
            "bring a coat",
            ">Brief<",
            "Name",
            "Ada",
            "Pace",
            "calm",
            ">Places</h2>",
            "https://museum.example/x",
            "museum.example",
            ">Itinerary</h2>",
            "<th scope=\"col\" role=\"columnheader\">Place</th>",
            "2.5",
            ">Menu</h2>",
            "soup",
            ">Postcard</h2>",
            "Dear Ada,",
            "wish you were here.",
            ">House rules</h2>",
            "be kind",
        ],
    );
    assert!(!files.contains_key("subtitles.srt") && !files.contains_key("ad_copies.csv"));
}

#[test]
fn nothing_that_was_written_becomes_markup() {
    let text = format!("{HOSTILE} {}", "가".repeat(LONG_WORD));
    let brief = [
        slot("product.name", &json!(HOSTILE)),
        slot("product.features", &json!([HOSTILE, ""])),
    ];
    let outputs = [output("research", false, &research(&text))];
    let files = exported(&launch(), &started(Locale::Ko, false, &brief), &outputs);
    let page = &files["index.html"];
    for forbidden in [
        "<script",
        "javascript:alert(1)\"",
        "<img",
        "<link",
        "<iframe",
        " on",
        "\u{202e}",
        "\u{2066}",
    ] {
        let shown = forbidden.trim();
        // ` on…=` would be a handler.
        let found = if shown == "on" {
            page.contains(" onclick") || page.contains(" onload")
        } else {
            page.contains(forbidden)
        };
        assert!(!found, "{forbidden} is in the page");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt; &amp; &quot;quoted&quot;"));
    assert!(page.contains("🎉👩‍👩‍👧 שלום"), "what is no danger stays");
    let markdown = &files["package.md"];
    assert!(
        markdown.contains("\\<script\\>") && !markdown.replace("\\<", "").contains("<script"),
        "{markdown}"
    );
    assert!(!markdown.contains("](<javascript") && !markdown.contains('\u{202e}'));
}

#[test]
fn the_page_needs_nothing_and_its_policy_allows_its_own_style_alone() {
    let files = exported(&launch(), &started(Locale::Ko, false, &[]), &[]);
    let page = &files["index.html"];
    let style = page
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    let hash = {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style))
    };
    assert!(page.contains(&format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    )));
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("http"));
    assert!(!page.contains(" style=") && !page.contains(" src="));
    assert!(style.contains("@media print") && style.contains("prefers-color-scheme: dark"));
    // A playbook's name stands in for a title that nobody gave.
    assert!(page.contains("<h1 dir=\"auto\">Launch</h1>"));
}

#[test]
fn what_a_simulator_wrote_cannot_be_taken_for_real() {
    for locale in [Locale::Ko, Locale::En] {
        let word = wording::Wording::of(locale).simulated;
        let outputs = [
            output("research", true, &research("x")),
            output("strategy", false, &json!({ "weekly_plan": [] })),
        ];
        let files = exported(&launch(), &started(locale, false, &[]), &outputs);
        let page = &files["index.html"];
        assert!(page.contains(&format!("· {word}</title>")));
        let marks: Vec<usize> = page.match_indices("<p class=\"mark").map(|(at, _)| at).collect();
        assert_eq!(marks.len(), 2, "at the top and in the footer");
        assert!(marks[0] < page.find("<h1").unwrap() && marks[1] > page.find("<footer").unwrap());
        assert!(
            page.contains(&format!("@bottom-left {{ content: \"{word}\"")),
            "on every printed page"
        );
        assert_eq!(
            page.matches("class=\"small\"").count(),
            1,
            "beside the part that it wrote"
        );
        assert_eq!(files["package.md"].matches(&format!("> **{word}**")).count(), 2);
        let provenance: Value = serde_json::from_str(&files["provenance.json"]).unwrap();
        assert_eq!(provenance["simulated"], true);
        assert_eq!(provenance["stages"][0]["provenance"]["simulated"], true);
    }
}

#[test]
fn a_draft_names_its_gaps_at_the_top() {
    let started = started(Locale::En, true, &[slot("product.name", &json!("Lumi"))]);
    let waiver: GateWaived = serde_json::from_value(json!({
        "run_id": started.run_id, "missing_required": ["target.who", "product.price_band"], "low_confidence": ["product.name"],
    }))
    .unwrap();
    let files = files(&FinishedRun {
        package: &Value::Null,
        playbook: &launch(),
        started: &started,
        waiver: Some(&waiver),
        outputs: &[],
        ended_at: Timestamp::from_unix_ms(0),
        assets: &[],
    });
    for name in ["index.html", "package.md"] {
        check_order(
            &files[name],
            &[
                "Draft",
                "Still missing",
                "Target, Price",
                "Uncertain",
                "Product name",
                "Brief",
            ],
        );
    }
    let provenance: Value = serde_json::from_str(&files["provenance.json"]).unwrap();
    assert_eq!(
        provenance["waiver"]["missing_required"],
        json!(["target.who", "product.price_band"])
    );
}

#[test]
fn a_passage_of_the_search_stands_below_its_page() {
    let mut completed = output("research", false, &research("x"));
    completed.sources = serde_json::from_value(json!([
        { "url": "https://Example.com/a?b=1&c=2&utm_source=openai", "title": "t", "passage": "The very words." },
    ]))
    .unwrap();
    let files = exported(&launch(), &started(Locale::En, false, &[]), &[completed]);
    check_order(
        &files["index.html"],
        &[
            "https://example.com/a",
            "<blockquote dir=\"auto\">The very words.</blockquote>",
        ],
    );
    check_order(
        &files["package.md"],
        &["](<https://example.com/a?b=1&c=2>)", "> The very words."],
    );
    let provenance: Value = serde_json::from_str(&files["provenance.json"]).unwrap();
    assert_eq!(
        provenance["stages"][0]["sources"][0]["passage"],
        "The very words."
    );
}

#[test]
fn subtitles_and_copies_lie_beside_the_page() {
    let outputs = [
        output(
            "creative",
            false,
            &json!({ "ad_copies": [{ "headline": "=1+1", "body": "b", "cta": "c" }] }),
        ),
        output(
            "voice",
            false,
            &json!({ "subtitle_lines": [{ "start": 0.0, "end": 1.5, "text": "안녕" }] }),
        ),
    ];
    let files = exported(&launch(), &started(Locale::Ko, false, &[]), &outputs);
    assert_eq!(
        files["subtitles.srt"],
        "1\r\n00:00:00,000 --> 00:00:01,500\r\n안녕\r\n\r\n"
    );
    assert!(files["subtitles.vtt"].starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n안녕\n"));
    assert!(files["ad_copies.csv"].contains("\"'=1+1\",\"b\",\"c\""));
    for name in ["subtitles.srt", "subtitles.vtt", "ad_copies.csv"] {
        assert!(files["index.html"].contains(&format!("<a href=\"{name}\">{name}</a>")));
    }
}

#[test]
fn media_lie_in_a_folder_of_their_own_and_what_is_left_out_is_named() {
    let ready = |name: &str| -> AssetReady {
        let ready = json!({
            "asset_id": "asset_00000000000000000000000004", "kind": "narration", "url": format!("/static/assets/{name}"),
            "media_type": "audio/mpeg", "size_bytes": 3,
            "provenance": { "kind": "playbook", "key": "x", "hash": "y" },
        });
        serde_json::from_value(ready).unwrap()
    };
    let assets = [
        ExportedAsset {
            ready: ready("a.mp3"),
            bytes: Some(Bytes::from_static(b"abc")),
        },
        ExportedAsset {
            ready: ready("b.mp3"),
            bytes: None,
        },
    ];
    let files = files(&FinishedRun {
        package: &Value::Null,
        playbook: &launch(),
        started: &started(Locale::Ko, false, &[]),
        waiver: None,
        outputs: &[],
        ended_at: Timestamp::from_unix_ms(0),
        assets: &assets,
    });
    assert_eq!(files["assets/a.mp3"], "abc");
    assert!(!files.contains_key("assets/b.mp3") && files["index.html"].contains("href=\"assets/a.mp3\""));
    let provenance: Value = serde_json::from_str(&files["provenance.json"]).unwrap();
    let included = [
        &provenance["assets"][0]["included"],
        &provenance["assets"][1]["included"],
    ];
    assert_eq!(included, [true, false]);
}

#[test]
fn the_same_run_makes_the_same_bytes() {
    let (playbook, started) = (
        launch(),
        started(Locale::Ko, false, &[slot("product.name", &json!("a"))]),
    );
    let outputs = [output("research", true, &research("x"))];
    let run = FinishedRun {
        package: &json!({ "b": 1, "a": 2 }),
        playbook: &playbook,
        started: &started,
        waiver: None,
        outputs: &outputs,
        ended_at: Timestamp::from_unix_ms(1_771_513_204_000),
        assets: &[],
    };
    assert_eq!(run.export().unwrap().bytes, run.export().unwrap().bytes);
    assert_eq!(files(&run)["package.json"], "{\n  \"b\": 1,\n  \"a\": 2\n}\n");
}
