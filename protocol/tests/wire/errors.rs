//! The table of errors against the contract.

use std::collections::BTreeSet;

use greenroom_protocol::{ErrorCode, Locale};

/// What CONTRACT.md, "Errors", fixes by name; the kin of `LLM_NOT_CONFIGURED` are spelled out.
const CONTRACT: &[(u16, &str)] = &[
    (422, "INPUT_INVALID INPUT_BLANK INPUT_TOO_LONG INPUT_ID_REUSED"),
    (413, "INPUT_TOO_LARGE"),
    (415, "INPUT_UNSUPPORTED_MEDIA"),
    (401, "AUTH_REQUIRED"),
    (403, "AUTH_FORBIDDEN AUTH_ORIGIN"),
    (404, "SESSION_NOT_FOUND RUN_NOT_FOUND JOB_NOT_FOUND"),
    (410, "SESSION_GONE"),
    (
        409,
        "GATE_NOT_READY GATE_RUN_ACTIVE RUN_ACTIVE SESSION_EVENT_AHEAD",
    ),
    (422, "SAFETY_INPUT"),
    (
        502,
        "SAFETY_OUTPUT LLM_UPSTREAM LLM_JSON_INVALID STT_FAILED TTS_FAILED IMAGE_FAILED VIDEO_FAILED",
    ),
    (502, "RESEARCH_FAILED STORAGE_UPLOAD_FAILED"),
    (
        504,
        "LLM_TIMEOUT STT_TIMEOUT TTS_TIMEOUT IMAGE_TIMEOUT RESEARCH_TIMEOUT",
    ),
    (
        503,
        "LLM_NOT_CONFIGURED STT_NOT_CONFIGURED TTS_NOT_CONFIGURED IMAGE_NOT_CONFIGURED VIDEO_NOT_CONFIGURED",
    ),
    (
        503,
        "RESEARCH_NOT_CONFIGURED LLM_CIRCUIT_OPEN DB_UNAVAILABLE DB_WRITE_FAILED SESSION_RESTART_LIMIT",
    ),
    (503, "SYS_OVERLOADED SYS_DRAINING"),
    (429, "SYS_RATE_LIMIT SYS_DAILY_LIMIT SYS_BUDGET"),
    (500, "SYS_INTERNAL"),
];

/// Codes that the contract leaves to us, of its families.
const OURS: &[(u16, &str)] = &[
    (408, "INPUT_TIMEOUT"),
    (409, "RUN_NOT_COMPLETED"),
    (409, "SESSION_RESTARTING"),
    (503, "SAFETY_UNAVAILABLE"),
];

#[test]
fn the_table_holds_exactly_the_contracts_codes_and_ours() {
    let contract: BTreeSet<(u16, &str)> = CONTRACT
        .iter()
        .chain(OURS)
        .flat_map(|(status, codes)| codes.split(' ').map(|code| (*status, code)))
        .collect();
    let table: Vec<(u16, &str)> = ErrorCode::ALL
        .iter()
        .map(|code| (code.status(), code.as_str()))
        .collect();
    assert_eq!(table.len(), contract.len(), "a code stands twice");
    assert_eq!(table.into_iter().collect::<BTreeSet<_>>(), contract);
}

#[test]
fn a_variant_is_named_like_its_code() {
    for code in ErrorCode::ALL {
        let mut screaming = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !screaming.is_empty() {
                screaming.push('_');
            }
            screaming.push(letter.to_ascii_uppercase());
        }
        assert_eq!(screaming, code.as_str());
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        assert_eq!(code.to_string(), code.as_str());
    }
}

#[test]
fn everybody_is_told_something_in_their_language() {
    let is_hangul = |letter: char| ('가'..='힣').contains(&letter);
    for code in ErrorCode::ALL {
        let (ko, en) = (code.user_message(Locale::Ko), code.user_message(Locale::En));
        assert!(ko.chars().any(is_hangul) && ko.ends_with('.'), "{code}: {ko}");
        assert!(en.is_ascii() && en.ends_with('.'), "{code}: {en}");
        assert!(
            !ko.contains(code.as_str()) && !en.contains('_'),
            "{code}: a code is not for users"
        );
        assert!(
            code.operator_action().ends_with('.'),
            "{code}: {}",
            code.operator_action()
        );
    }
}

#[test]
fn only_what_may_pass_by_itself_is_retryable() {
    for code in ErrorCode::ALL {
        let is_clients_fault = matches!(code.status(), 401 | 403 | 404 | 410 | 413 | 415 | 422);
        let needs_operator =
            code.as_str().ends_with("_NOT_CONFIGURED") || *code == ErrorCode::SessionRestartLimit;
        if is_clients_fault || needs_operator {
            assert!(!code.retryable(), "{code}");
        }
        if code.as_str().ends_with("_TIMEOUT") || code.as_str().starts_with("DB_") {
            assert!(code.retryable(), "{code}");
        }
    }
}
