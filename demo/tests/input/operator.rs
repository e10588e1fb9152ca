//! What an operator does, by the client that ships with the server: sessions restarted and stopped, limits, providers.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::SessionId;
use loadtest::client::{Client, ClientError, CreateSession};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{admin, json_of, table};

/// A session that nobody has.
const UNKNOWN: &str = "sess_00000000000000000000000001";

/// What the operator's client says of a request that is refused.
async fn refused(stage: &Stage, args: &[&str], parts: &[&str]) -> Result<()> {
    let output = admin(stage, args).await?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{args:?} succeeds");
    for part in parts {
        ensure!(told.contains(part), "{args:?}: {part} is not in: {told}");
    }
    Ok(())
}

/// A session whose run has failed in a stage that the provider would not do.
async fn failed_session(stage: &Stage, client: &Client, failing: &str) -> Result<SessionId> {
    let session = ready_session(client).await?;
    let rule = json!([{ "match": { "purpose": failing }, "fault": { "kind": "status", "code": 400 }, "times": "forever" }]);
    stage.simulate(&rule).await?;
    let failed = client.generate(session, false, None).await;
    ensure!(failed.is_err(), "the run fails: {failed:?}");
    stage.simulate(&json!([])).await?;
    ensure!(client.session(session).await?.state == "FAILED");
    Ok(session)
}

/// How often each stage of a session was begun.
async fn stages_begun(stage: &Stage, session: SessionId) -> Result<Vec<String>> {
    let journal = stage.journal(session).await?;
    let begun = journal.iter().filter(|event| event.event_type == "stage.started");
    begun
        .map(|event| {
            let data: Value = serde_json::from_str(&event.data)?;
            Ok(data["stage"].as_str().context("a stage")?.to_owned())
        })
        .collect()
}

async fn until_done(client: &Client, session: SessionId) -> Result<()> {
    let mut events = client.follow(session, greenroom_protocol::Seq(0)).await?;
    let mut done = false;
    while !done {
        let event = events.next().await?.context("the run ends")?;
        done = event.event_type == "run.completed";
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_session_goes_on_from_its_stage_and_says_so_in_its_log() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = failed_session(stage, &client, "creative").await?;
        let id = session.to_string();
        let begun_before = stages_begun(stage, session).await?;
        ensure!(
            begun_before == ["research", "strategy", "creative"],
            "{begun_before:?}"
        );

        let refusal = "research";
        refused(
            stage,
            &["restart", &id, "--reason", "typo", "--from-stage", "reserch"],
            &["INPUT_INVALID", refusal, "could not be understood"],
        )
        .await?;
        let answer = json_of(stage, &["restart", &id, "--reason", "the model is back"]).await?;
        ensure!(
            answer["session_id"] == id && answer["run_id"].is_string(),
            "{answer}"
        );
        until_done(&client, session).await?;
        ensure!(
            stages_begun(stage, session).await?[3..] == ["creative", "voice"],
            "what was complete is not begun again"
        );
        let journal = stage.journal(session).await?;
        let restarted: Vec<_> = journal
            .iter()
            .filter(|event| event.event_type == "session.restarted")
            .collect();
        ensure!(restarted.len() == 1, "{restarted:?}");
        ensure!(
            journal
                .iter()
                .all(|event| !event.data.contains("the model is back")),
            "its user does not read why"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_failed_session_goes_on_from_an_earlier_stage_and_adopts_what_came_before_it() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = failed_session(stage, &client, "creative").await?;
        let id = session.to_string();
        let args = [
            "restart",
            &id,
            "--from-stage",
            "strategy",
            "--reason",
            "a better plan",
        ];
        let answer = json_of(stage, &args).await?;
        until_done(&client, session).await?;
        let begun = stages_begun(stage, session).await?;
        ensure!(begun[3..] == ["strategy", "creative", "voice"], "{begun:?}");
        let run: Value = client
            .run(answer["run_id"].as_str().context("a new run")?.parse()?)
            .await?;
        ensure!(
            run["status"] == "completed" && run["research_snapshot"].is_object(),
            "the package has what was adopted: {run}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_session_that_is_well_is_built_anew_and_loses_nothing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let id = session.to_string();
        let before = stage.journal(session).await?;
        let (_, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        let generation = shown["actor"]["generation"].as_u64();
        table(stage, &["restart", &id, "--reason", "to be sure"]).await?;
        let (_, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        ensure!(shown["actor"]["generation"].as_u64() > generation, "{shown}");
        let after = stage.journal(session).await?;
        ensure!(
            after.len() == before.len() + 1 && after[before.len()].event_type == "session.restarted",
            "{after:?}"
        );
        client.generate(session, false, None).await?;
        refused(
            stage,
            &[
                "restart",
                &id,
                "--reason",
                "once more",
                "--from-stage",
                "strategy",
            ],
            &["INPUT_INVALID", "has not failed"],
        )
        .await
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn of_two_who_restart_a_session_at_once_each_has_a_clear_answer() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let path = format!("/sessions/{session}/restart");
        let body = json!({ "reason": "we all want it" });
        let restart = || stage.world.operate::<Value>(Method::POST, &path, Some(&body));
        let answers = tokio::try_join!(restart(), restart(), restart(), restart(), restart(), restart())?;
        let answers: [(u16, Value); 6] = answers.into();
        for (status, answer) in &answers {
            let refused = *status == 409
                && answer["error"]["code"] == "SESSION_RESTARTING"
                && answer["error"]["retryable"] == true;
            ensure!(*status == 200 || refused, "{status}: {answer}");
        }
        let restarts = answers.iter().filter(|(status, _)| *status == 200).count();
        let journal = stage.journal(session).await?;
        let recorded = journal
            .iter()
            .filter(|event| event.event_type == "session.restarted")
            .count();
        ensure!(
            restarts >= 1 && recorded == restarts,
            "{restarts} were made, {recorded} are recorded"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_session_that_is_stopped_has_nothing_under_way_and_comes_back_when_it_is_spoken_to() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let id = session.to_string();
        let hang = json!([{ "match": { "purpose": "research" }, "fault": { "kind": "hang" } }]);
        stage.simulate(&hang).await?;
        let job = client.generate_async(session, false, None).await?;
        let jobs = json_of(stage, &["jobs", "--state", "running"]).await?;
        ensure!(
            jobs["total"] == 1 && jobs["items"][0]["job_id"] == job.job_id.to_string(),
            "{jobs}"
        );
        ensure!(json_of(stage, &["jobs", "--state", "stuck"]).await?["total"] == 0);
        let listed = table(stage, &["jobs"]).await?;
        ensure!(listed.contains(&job.job_id.to_string()), "{listed}");

        table(stage, &["stop", &id, "--reason", "it costs too much"]).await?;
        let job = client.job(job.job_id).await?;
        ensure!(job["status"] == "failed", "{job}");
        let journal = stage.journal(session).await?;
        let last: Vec<&str> = journal
            .iter()
            .rev()
            .take(6)
            .map(|event| event.event_type.as_str())
            .collect();
        ensure!(
            last.contains(&"session.stopped") && last.contains(&"run.cancelled"),
            "{last:?}"
        );
        stage.simulate(&json!([])).await?;
        let turn = client.message(session, "안녕하세요", None).await?;
        ensure!(turn.state == "BRIEF_READY", "{turn:?}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_restart_and_a_stop_need_a_session_and_a_reason() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        for task in ["restart", "stop"] {
            refused(stage, &[task, UNKNOWN, "--reason", "why"], &["SESSION_NOT_FOUND"]).await?;
            refused(stage, &[task, UNKNOWN], &["--reason"]).await?;
            refused(
                stage,
                &[task, UNKNOWN, "--reason", " "],
                &["INPUT_INVALID", "1 to 500 characters"],
            )
            .await?;
            let long = "가".repeat(501);
            refused(
                stage,
                &[task, UNKNOWN, "--reason", &long],
                &["1 to 500 characters"],
            )
            .await?;
            let path = format!("/sessions/{UNKNOWN}/{task}");
            let without: (u16, Value) = stage.world.operate(Method::POST, &path, Some(&json!({}))).await?;
            ensure!(without.0 == 422, "{without:?}");
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

async fn turn_limit(stage: &Stage) -> Result<Value> {
    Ok(json_of(stage, &["limits"]).await?["turns_per_minute"].take())
}

#[tokio::test]
async fn a_limit_holds_at_once_and_after_a_restart_until_it_is_given_back() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?.with_user_key("alice");
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let configured = turn_limit(stage).await?;
        ensure!(
            configured == json!({ "value": 300, "configured": 300, "source": "configuration" }),
            "{configured}"
        );
        let set = ["limits", "set", "turns_per_minute=4", "--reason", "a crowd"];
        ensure!(table(stage, &set).await?.contains("a crowd"));
        // The bucket holds what it held, cut to what fits into it now: one turn.
        client.message(session, "안녕하세요", None).await?;
        let limited = client.message(session, "한 번 더요", None).await;
        let is_limited = |answer: &std::result::Result<_, ClientError>| {
            answer
                .as_ref()
                .is_err_and(|error| error.to_string().contains("SYS_RATE_LIMIT"))
        };
        ensure!(is_limited(&limited), "{limited:?}");

        stage.world.kill_and_restart_server().await?;
        let kept = turn_limit(stage).await?;
        ensure!(
            kept["value"] == 4 && kept["source"] == "operator" && kept["configured"] == 300,
            "{kept}"
        );
        stage.world.reconfigure("[limits]\nturns_per_minute = 100\n")?;
        while turn_limit(stage).await?["configured"] != 100 {
            tokio::task::yield_now().await;
        }
        ensure!(turn_limit(stage).await?["value"] == 4, "the operator's holds");
        table(stage, &["limits", "unset", "turns_per_minute"]).await?;
        let given_back = turn_limit(stage).await?;
        ensure!(
            given_back == json!({ "value": 100, "configured": 100, "source": "configuration" }),
            "{given_back}"
        );
        refused(
            stage,
            &["limits", "set", "turns=4"],
            &["INPUT_INVALID", "turns", "turns_per_minute"],
        )
        .await?;
        refused(stage, &["limits", "set", "uploads=0"], &["uploads", "1 to 10000"]).await?;

        the_audit_has_both_changes(stage).await
    };
    StageSpec::without_model()?.play(scene).await
}

async fn the_audit_has_both_changes(stage: &Stage) -> Result<()> {
    let audit = json_of(stage, &["audit"]).await?;
    let actions: Vec<_> = audit["items"]
        .as_array()
        .context("entries")?
        .iter()
        .map(|entry| {
            (
                entry["action"].clone(),
                entry["details"].clone(),
                entry["reason"].clone(),
            )
        })
        .collect();
    let expected = [
        (json!("limits"), json!({ "turns_per_minute": null }), Value::Null),
        (
            json!("limits"),
            json!({ "turns_per_minute": 4 }),
            json!("a crowd"),
        ),
    ];
    ensure!(actions == expected, "{audit}");
    Ok(())
}

#[tokio::test]
async fn limits_on_sessions_and_connections_hold_without_a_restart() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        table(stage, &["limits", "set", "sessions=1"]).await?;
        let refused = client.create_session(&CreateSession::default()).await;
        let told = refused
            .err()
            .context("there is no room for a second")?
            .to_string();
        ensure!(told.contains("SYS_OVERLOADED"), "{told}");
        ensure!(
            client.session(session).await?.session_id == session,
            "who is there stays"
        );
        table(stage, &["limits", "unset", "sessions"]).await?;
        client.create_session(&CreateSession::default()).await?;

        table(stage, &["limits", "set", "connections=1"]).await?;
        let held = tokio::net::TcpStream::connect(stage.world.server.address()).await?;
        let (_, shown): (u16, Value) = stage.admin("/limits").await?;
        ensure!(
            shown["connections"]["value"] == 1,
            "the operator's socket is not counted: {shown}"
        );
        table(stage, &["limits", "unset", "connections"]).await?;
        drop(held);
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_provider_that_is_known_to_be_back_is_called_again_at_once() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let down = json!([{ "match": {}, "fault": { "kind": "status", "code": 500 }, "times": "forever" }]);
        stage.simulate(&down).await?;
        let llm = async || -> Result<Value> {
            let providers = json_of(stage, &["providers"]).await?;
            let named = |item: &&Value| item["name"] == "llm";
            let items = providers["items"].as_array().context("providers")?;
            Ok(items.iter().find(named).context("the language model")?.clone())
        };
        while llm().await?["provider"]["circuit"]["phase"] != "open" {
            client.message(session, "이건 누구에게 어울릴까요?", None).await?;
        }
        let open = llm().await?;
        ensure!(
            open["state"] == "failing" && open["provider"]["circuit"]["last_error"] == "LLM_UPSTREAM",
            "{open}"
        );
        stage.simulate(&json!([])).await?;
        let reset = json_of(stage, &["providers", "reset", "llm", "--reason", "they say so"]).await?;
        ensure!(
            reset["state"] == "ok" && reset["provider"]["circuit"]["phase"] == "closed",
            "{reset}"
        );
        let calls = stage.bill().await?.totals.calls;
        client.message(session, "정말요?", None).await?;
        ensure!(stage.bill().await?.totals.calls == calls + 1, "it is called");

        refused(
            stage,
            &["providers", "reset", "lllm"],
            &["there is no such provider", "llm"],
        )
        .await?;
        refused(
            stage,
            &["providers", "reset", "tts"],
            &["there is no such provider"],
        )
        .await?;
        let audit = json_of(stage, &["audit"]).await?;
        let newest = &audit["items"][0];
        ensure!(
            newest["action"] == "reset"
                && newest["details"]["provider"] == "llm"
                && newest["reason"] == "they say so",
            "{audit}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn the_busiest_sessions_are_on_top() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let quiet = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let busy = ready_session(&client).await?;
        let looking = json_of(stage, &["top", "--window-ms", "3000"]);
        let working = async {
            for _ in 0..3 {
                client.message(busy, "하나만 더 물어볼게요", None).await?;
            }
            Ok(())
        };
        let (top, ()) = tokio::try_join!(looking, working)?;
        let rows = top["items"].as_array().context("rows")?;
        ensure!(rows.len() == 2 && top["live"] == 2, "{top}");
        ensure!(rows[0]["session_id"] == busy.to_string(), "{top}");
        ensure!(
            rows[0]["events_per_second"].as_f64() > rows[1]["events_per_second"].as_f64(),
            "{top}"
        );
        ensure!(
            rows[0]["cost"]["calls"].as_u64() >= Some(1) && rows[0]["mailbox"] == 0,
            "{top}"
        );
        ensure!(rows[1]["session_id"] == quiet.to_string(), "{top}");
        let printed = table(stage, &["top", "--window-ms", "1", "--limit", "1"]).await?;
        ensure!(
            printed.starts_with("SESSION") && printed.contains("1 of 2 sessions"),
            "{printed}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}
