//! Calls that succeed, and calls that are never made.

use greenroom_protocol::ErrorCode;
use greenroom_providers::{BuildError, EndpointConfig, Unconfigured};
use greenroom_session::ports::{ModelIdentity, Moderator, Speaker, Transcriber};
use secrecy::SecretString;

use super::{KINDS, Kind, recording, succeed, text, texts};
use crate::scripted_server::{KEY, ScriptedServer, WORDS};

#[tokio::test]
async fn who_answers_is_known_before_and_after_a_call() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        let identity = ModelIdentity {
            provider: "scripted".to_owned(),
            model: kind.model().to_owned(),
            simulated: true,
        };
        assert_eq!(service.identity(), Some(identity));
        let status = service.status();
        assert_eq!(
            (status.name.as_str(), status.model.as_str()),
            ("scripted", kind.model())
        );
        assert_eq!((status.small_model, status.simulated), (None, true));
        let receipt = succeed(kind, &service, &server).await;
        assert_eq!((receipt.model.as_str(), receipt.simulated), (kind.model(), true));
        let real = kind.build(server.endpoint("whisper-large")).unwrap();
        assert!(!real.identity().unwrap().simulated);
    }
}

#[tokio::test]
async fn neither_the_key_nor_anybodys_words_are_repeated_even_by_a_provider_that_does() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        let body = format!(r#"{{"error":{{"message":"{WORDS} {KEY}","type":"{WORDS}","code":"{KEY}"}}}}"#);
        let (outcome, ()) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            let header = format!("x-request-id: {KEY}\r\n");
            exchange.answer("400 Bad Request", &header, &body).await;
        });
        let failure = outcome.unwrap_err();
        assert!(failure.reason.contains("[redacted]"), "{}", failure.reason);
        let config = server.endpoint(kind.model());
        for shown in [
            format!("{failure:?}"),
            format!("{service:?}"),
            format!("{config:?}"),
        ] {
            assert!(!shown.contains(KEY) && !shown.contains("비밀"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_local_server_is_called_without_a_key() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let config = EndpointConfig {
            api_key: None,
            ..server.endpoint(kind.model())
        };
        let service = kind.build(config).unwrap();
        let (headers, body) = kind.answer();
        let (outcome, exchange) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            exchange.answer("200 OK", headers, body).await;
            exchange
        });
        outcome.unwrap();
        assert!(!exchange.head.contains("authorization"), "{}", exchange.head);
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for kind in KINDS {
        let check = |config: EndpointConfig, expected: BuildError| {
            assert_eq!(kind.build(config).err(), Some(expected), "{kind:?}");
        };
        check(EndpointConfig::new("openai", "m"), BuildError::KeyMissing);
        let local = |model: &str| EndpointConfig {
            base_url: Some("http://127.0.0.1:9/v1".to_owned()),
            ..EndpointConfig::new("local", model)
        };
        check(local(" "), BuildError::NameMissing);
        let key = EndpointConfig {
            api_key: Some(SecretString::from("two words")),
            ..local("m")
        };
        check(key, BuildError::KeyInvalid);
        assert!(kind.build(local("m")).is_ok());
    }
}

#[tokio::test]
async fn a_server_without_a_provider_says_so() {
    assert_eq!(Transcriber::identity(&Unconfigured), None);
    assert_eq!(Speaker::identity(&Unconfigured), None);
    assert_eq!(Moderator::identity(&Unconfigured), None);
    let heard = Unconfigured.transcribe(recording()).await.unwrap_err();
    let spoken = Unconfigured.speak(text()).await.err().unwrap();
    let judged = Unconfigured.moderate(texts()).await.unwrap_err();
    let missing = [
        ErrorCode::SttNotConfigured,
        ErrorCode::TtsNotConfigured,
        ErrorCode::SafetyUnavailable,
    ];
    for (failure, code) in [heard, spoken, judged].into_iter().zip(missing) {
        assert_eq!((failure.code, failure.retryable), (code, false));
    }
}

#[tokio::test]
async fn calls_are_counted_by_outcome_and_timed() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        succeed(kind, &service, &server).await;
        let (outcome, ()) = tokio::join!(service.call(), async { drop(server.next().await) });
        outcome.unwrap_err();
    }
    let page = handle.render();
    for (service, kind) in [
        ("stt", Kind::Ear),
        ("tts", Kind::Mouth),
        ("moderation", Kind::Judge),
    ] {
        for outcome in ["completed", kind.failed().as_str()] {
            let labels = format!(
                "provider=\"scripted\",model=\"{}\",outcome=\"{outcome}\"",
                kind.model()
            );
            for line in [
                format!("greenroom_{service}_calls_total{{{labels}}} 1"),
                format!("greenroom_{service}_call_seconds_count{{{labels}}} 1"),
            ] {
                assert!(page.contains(&line), "{line} in {page}");
            }
        }
    }
    let first_byte = "greenroom_tts_first_byte_seconds_count{provider=\"scripted\",model=\"sim-mouth\"} 1";
    assert!(page.contains(first_byte), "{page}");
}
