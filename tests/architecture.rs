//! Who may import whom, read from `cargo metadata`. See `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate of ours with those of ours that it may import; tests may also use what stands beside them.
const ARROWS: &[(&str, &[&str])] = &[
    ("greenroom-protocol", &[]),
    ("greenroom-audio", &[]),
    ("greenroom-session", &["greenroom-protocol"]),
    (
        "greenroom-providers",
        &["greenroom-session", "greenroom-audio", "greenroom-protocol"],
    ),
    ("greenroom-store", &["greenroom-session", "greenroom-protocol"]),
    (
        "greenroom-actors",
        &["greenroom-session", "greenroom-audio", "greenroom-protocol"],
    ),
    (
        "greenroom",
        &[
            "greenroom-actors",
            "greenroom-audio",
            "greenroom-protocol",
            "greenroom-providers",
            "greenroom-session",
            "greenroom-store",
        ],
    ),
    ("greenroom-loadtest", &["greenroom-audio", "greenroom-protocol"]),
    (
        "greenroom-demo",
        &["greenroom", "greenroom-loadtest", "greenroom-protocol"],
    ),
];

/// The crates without I/O.
const PURE: &[&str] = &["greenroom-session", "greenroom-audio"];

/// What they may never depend on.
const IMPURE: &[&str] = &["tokio", "ractor", "sqlx", "axum", "reqwest", "rand", "chrono"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--locked",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            (name(package), dependencies.iter().map(name).collect())
        })
        .collect()
}

#[test]
fn crates_import_only_what_they_may() {
    let dependencies = dependencies();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known
    );
    for (name, allowed) in ARROWS {
        let ours = dependencies[*name]
            .iter()
            .filter(|dependency| known.contains(dependency.as_str()));
        for dependency in ours {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not import {dependency}"
            );
        }
    }
}

#[test]
fn the_core_and_the_sound_know_no_runtime_no_database_and_no_clock() {
    let dependencies = dependencies();
    for pure in PURE {
        for dependency in IMPURE {
            assert!(
                !dependencies[*pure].contains(*dependency),
                "{pure} must not import {dependency}"
            );
        }
    }
}
