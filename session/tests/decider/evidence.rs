//! Evidence: what the searches of the run returned, each page once, and nothing else.

use greenroom_protocol::{Event, StageCompleted, SupportingSource};
use greenroom_session::ports::SearchSource;
use serde_json::{Value, json};

use crate::outputs;
use crate::play::Play;

const SERUM: &str = "https://news.example/serum";

fn found(url: &str, title: Option<&str>, passage: Option<&str>) -> SearchSource {
    SearchSource {
        url: url.into(),
        title: title.map(str::to_owned),
        passage: passage.map(str::to_owned),
    }
}

/// Research that names these addresses, after a search that returned these sources.
fn researched(urls: &[&str], sources: &[SearchSource]) -> (Play, Vec<Event>) {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.generate().expect("started");
    let stamp = play.stage_stamp("research");
    let events = play.reply_found(
        &stamp,
        &outputs::research_with_evidence(urls).to_string(),
        sources,
    );
    (play, events)
}

fn completed(events: &[Event]) -> &StageCompleted {
    let completed = events.iter().find_map(|event| match event {
        Event::StageCompleted(completed) => Some(completed),
        _ => None,
    });
    completed.expect("the stage is complete")
}

fn named(completed: &StageCompleted) -> Vec<&str> {
    let evidence = completed.output["evidence"].as_array().expect("a list");
    evidence
        .iter()
        .filter_map(|element| element["url"].as_str())
        .collect()
}

#[test]
fn each_piece_of_evidence_comes_with_what_the_search_said_of_its_page() {
    let (_, events) = researched(
        &[SERUM],
        &[
            found("https://news.example/other", Some("Other"), Some("Unused.")),
            found(SERUM, Some("Serums sell"), Some("Sales rose.")),
        ],
    );
    let completed = completed(&events);
    let expected = SupportingSource {
        url: SERUM.into(),
        title: Some("Serums sell".into()),
        passage: Some("Sales rose.".into()),
    };
    assert_eq!(completed.sources, [expected], "only what the output rests on");
    assert_eq!((named(completed), completed.dropped), (vec![SERUM], 0));
}

#[test]
fn spellings_of_one_page_are_merged_and_cost_no_risk_flag() {
    let spellings = [
        "https://NEWS.example/serum",
        "https://news.example:443/serum",
        "https://news.example/serum/",
        "https://news.example/serum#top",
        "https://news.example/serum?utm_source=x&utm_medium=y",
    ];
    let (_, events) = researched(
        &spellings,
        &[
            found(SERUM, None, Some("Sales rose.")),
            found(
                "https://news.example/serum/?utm_source=openai",
                Some("Serums sell"),
                None,
            ),
        ],
    );
    let completed = completed(&events);
    assert_eq!(named(completed), [SERUM], "spelled as the search spelled it");
    assert_eq!(completed.dropped, 0, "what is said twice is not unsupported");
    assert_eq!(completed.output["risk_flags"], json!([]));
    assert_eq!(completed.sources.len(), 1);
    assert_eq!(
        completed.sources[0].title.as_deref(),
        Some("Serums sell"),
        "one mention adds to another"
    );
    assert_eq!(completed.sources[0].passage.as_deref(), Some("Sales rose."));
    let shown: Vec<&Value> = events
        .iter()
        .filter_map(|event| match event {
            Event::StageDelta(told) if told.delta.path.starts_with("/evidence/") => {
                match &told.delta.change {
                    greenroom_protocol::DeltaChange::Value(element) => Some(&element["url"]),
                    greenroom_protocol::DeltaChange::Append(_) => None,
                }
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        [&json!(SERUM)],
        "what is shown as it comes is spelled like what stands"
    );
}

#[test]
fn what_no_search_returned_or_is_not_https_is_dropped_and_a_risk_flag_says_so() {
    for bad in [
        "https://made.up/page",
        "http://news.example/serum",
        "https://news.example.evil/serum",
        "https://news.example@evil.example/serum",
        "https://news.example/serum?id=7",
        "not an address",
    ] {
        let (play, events) = researched(
            &[bad, SERUM],
            &[
                found(SERUM, None, None),
                found("http://plain.example/", Some("Plain"), None),
            ],
        );
        let completed = completed(&events);
        assert_eq!((named(completed), completed.dropped), (vec![SERUM], 1), "{bad}");
        assert_eq!(
            completed.output["risk_flags"],
            json!([play.phrase("risk.evidence_dropped")])
        );
        assert_eq!(completed.notes.len(), 1);
    }
}

#[test]
fn a_page_that_was_found_over_plain_http_supports_nothing() {
    let (_, events) = researched(
        &["http://news.example/serum", SERUM],
        &[found("http://news.example/serum", None, None)],
    );
    let completed = completed(&events);
    assert!(completed.sources.is_empty() && named(completed).is_empty());
    assert_eq!(completed.dropped, 2);
}

#[test]
fn what_an_earlier_attempt_found_counts_for_the_run() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.generate().expect("started");
    let stamp = play.stage_stamp("research");
    let mut broken = outputs::research();
    broken["market_signals"] = json!([]);
    play.reply_found(
        &stamp,
        &broken.to_string(),
        &[found(SERUM, Some("Serums sell"), None)],
    );
    let stamp = play.stage_stamp("research");
    let events = play.reply_found(
        &stamp,
        &outputs::research().to_string(),
        &[found(SERUM, None, Some("Sales rose."))],
    );
    let source = &completed(&events).sources[0];
    assert_eq!(
        (source.title.as_deref(), source.passage.as_deref()),
        (Some("Serums sell"), Some("Sales rose."))
    );
}

#[test]
fn what_another_run_found_counts_for_nothing() {
    let (mut play, _) = researched(&[SERUM], &[found(SERUM, None, None)]);
    play.send(greenroom_session::CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    play.generate().expect("another run");
    let stamp = play.stage_stamp("research");
    let events = play.reply(&stamp, &outputs::research().to_string(), &[]);
    assert!(named(completed(&events)).is_empty());
}
