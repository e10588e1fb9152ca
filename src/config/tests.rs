//! Every layer overrules the ones below it, and every fault is told with its place.

use std::path::Path;

use greenroom_providers::BackgroundMode;
use secrecy::ExposeSecret as _;

use super::*;

struct Given {
    folder: tempfile::TempDir,
    args: ServeArgs,
    variables: Vec<(String, String)>,
}

impl Given {
    fn file(text: &str) -> Self {
        let given = Self::nothing();
        std::fs::write(given.folder.path().join(DEFAULT_FILE), text).unwrap();
        given
    }

    fn nothing() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            args: ServeArgs::default(),
            variables: Vec::new(),
        }
    }

    fn dot_env(self, text: &str) -> Self {
        std::fs::write(self.folder.path().join(".env"), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(self) -> Result<Config, ConfigFaults> {
        load_from(&self.args, self.variables, self.folder.path())
    }

    /// The faults, with the folder taken out of their places.
    fn faults(self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let ConfigFaults(faults) = self.load().expect_err("the configuration must be refused");
        faults
            .iter()
            .map(|fault| fault.to_string().replace(&folder, ""))
            .collect()
    }
}

#[track_caller]
fn check_fault(given: Given, expected: &str) {
    assert_eq!(given.faults(), [expected]);
}

#[test]
fn with_nothing_said_the_defaults_hold() {
    let config = Given::nothing().load().unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.data_dir, Path::new("./data"));
    assert_eq!(config.playbook.default, "launch");
    assert_eq!(config.log.level, "info");
    assert!(
        config.llm.api_key.is_none() && config.store.page_limit.is_none() && config.server.token.is_none()
    );
}

#[test]
fn jobs_are_tried_as_often_as_is_said() {
    let of = |text: &str| Given::file(text).load().unwrap().jobs;
    assert_eq!(of(""), greenroom_session::JobLimits::default());
    let jobs = of("[jobs]\nrunning_minutes = 2\nqueued_minutes = 3\ntries = 1");
    assert_eq!(
        (jobs.running.0, jobs.queued.0, jobs.tries_max),
        (120_000, 180_000, 1)
    );
    check_fault(
        Given::file("[jobs]\ntries = 0"),
        "jobs.tries: expected a whole number from 1 to 100, found 0 (greenroom.toml:2)",
    );
}

#[test]
fn the_command_line_overrules_the_environment_which_overrules_dot_env_which_overrules_the_file() {
    let file = "[server]\nlisten = '127.0.0.1:1'\ndata_dir = 'a'\ndrain_seconds = 1\n[log]\nlevel = 'error'";
    let dot_env = "GREENROOM_SERVER__LISTEN=127.0.0.1:2\nGREENROOM_SERVER__DATA_DIR=b\nGREENROOM_SERVER__DRAIN_SECONDS=2";
    let mut given = Given::file(file)
        .dot_env(dot_env)
        .variable("GREENROOM_SERVER__LISTEN", "127.0.0.1:3")
        .variable("GREENROOM_SERVER__DATA_DIR", "c");
    given.args.listen = Some("127.0.0.1:4".parse().unwrap());
    let config = given.load().unwrap();
    assert_eq!(config.server.listen.port(), 4);
    assert_eq!(config.server.data_dir, Path::new("c"));
    assert_eq!(config.server.drain.as_secs(), 2);
    assert_eq!(config.log.level, "error");
}

#[test]
fn the_names_of_the_ecosystem_are_read_and_overruled_by_our_own() {
    let config = Given::nothing()
        .variable("OPENAI_API_KEY", "sk-theirs")
        .variable("OPENAI_BASE_URL", "http://localhost:11434/v1")
        .variable("GREENROOM_LLM__API_KEY", "sk-ours")
        .variable("RUST_LOG", "debug")
        .load()
        .unwrap();
    assert_eq!(config.llm.api_key.unwrap().expose_secret(), "sk-ours");
    assert_eq!(config.llm.base_url.as_deref(), Some("http://localhost:11434/v1"));
    assert_eq!(config.log.level, "debug");
}

#[test]
fn an_empty_name_of_the_ecosystem_counts_as_unset() {
    let config = Given::nothing().variable("OPENAI_API_KEY", "").load().unwrap();
    assert!(config.llm.api_key.is_none());
}

#[test]
fn lists_are_written_with_commas_in_the_environment() {
    let config = Given::nothing()
        .variable(
            "GREENROOM_SERVER__ALLOWED_ORIGINS",
            "https://a.example, http://localhost:3000",
        )
        .variable("GREENROOM_SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1")
        .variable("GREENROOM_SERVER__REQUIRE", "llm,tts")
        .load()
        .unwrap();
    assert_eq!(config.server.allowed_origins.len(), 2);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.server.require, [Dependency::Llm, Dependency::Tts]);
}

#[test]
fn an_unknown_key_of_the_file_names_the_nearest_and_its_line() {
    check_fault(
        Given::file("[server]\n\nlissten = '127.0.0.1:1'"),
        "there is no setting `server.lissten`; did you mean `server.listen`? (greenroom.toml:3)",
    );
}

#[test]
fn an_unknown_variable_names_the_nearest_as_a_variable() {
    check_fault(
        Given::nothing().variable("GREENROOM_SERVER_LISTEN", "127.0.0.1:1"),
        "there is no setting `GREENROOM_SERVER_LISTEN`; did you mean `GREENROOM_SERVER__LISTEN`? \
         (environment variable GREENROOM_SERVER_LISTEN)",
    );
}

#[test]
fn a_setting_outside_a_section_is_unknown() {
    let faults = Given::file("zzz = 1").faults();
    assert!(
        faults[0].starts_with("there is no setting `zzz`; the known ones are server.listen,"),
        "{faults:?}"
    );
}

#[test]
fn an_unknown_key_is_told_even_if_a_higher_layer_is_right() {
    let faults = Given::file("[log]\nlevle = 'info'")
        .variable("GREENROOM_LOG__LEVEL", "info")
        .faults();
    assert_eq!(
        faults,
        ["there is no setting `log.levle`; did you mean `log.level`? (greenroom.toml:2)"]
    );
}

#[test]
fn each_type_is_checked_with_its_place() {
    let check = |text: &str, expected: &str| check_fault(Given::file(text), expected);
    check(
        "[server]\nlisten = 'here'",
        "server.listen: expected an address such as 127.0.0.1:8080, found `here` (greenroom.toml:2)",
    );
    check(
        "[server]\ndrain_seconds = 1.5",
        "server.drain_seconds: expected a whole number from 0 to 3600, found a number with a fraction (greenroom.toml:2)",
    );
    check(
        "[store]\npage_limit = -1",
        "store.page_limit: expected a whole number from 1 to 4294967294, found -1 (greenroom.toml:2)",
    );
    check(
        "[llm]\napi = 'soap'",
        "llm.api: expected one of auto, responses, chat, found `soap` (greenroom.toml:2)",
    );
    check(
        "[llm]\nmodel = ' '",
        "llm.model: expected a text that is not empty, found ` ` (greenroom.toml:2)",
    );
    check(
        "[server]\nallowed_origins = 'https://a.example'",
        "server.allowed_origins: expected a list of texts, found `https://a.example` (greenroom.toml:2)",
    );
    check(
        "[server]\nallowed_origins = ['a.example']",
        "server.allowed_origins: `a.example` is not an origin such as https://app.example.org (greenroom.toml:2)",
    );
    check(
        "[server]\nrequire = ['ears']",
        "server.require: `ears` is not llm, search, stt, tts or moderation (greenroom.toml:2)",
    );
    check(
        "[log]\nformat = 'xml'",
        "log.format: expected one of auto, json, pretty, found `xml` (greenroom.toml:2)",
    );
    check(
        "[log]\nlevel = 'a=b=c'",
        "log.level: expected a level such as info or greenroom=debug, found `a=b=c` (greenroom.toml:2)",
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let faults = Given::file("[server]\nlisten = \n").faults();
    assert!(
        faults[0].starts_with("not TOML: ") && faults[0].ends_with("(greenroom.toml:2)"),
        "{faults:?}"
    );
}

#[test]
fn a_named_file_must_exist() {
    let mut given = Given::nothing();
    given.args.config = Some(given.folder.path().join("other.toml"));
    let faults = given.faults();
    assert!(
        faults[0].starts_with("cannot be read: ")
            && faults[0].ends_with("or leave --config out (other.toml)"),
        "{faults:?}"
    );
}

#[test]
fn a_key_in_the_file_is_refused_and_not_repeated() {
    let faults = Given::file("[llm]\napi_key = 'sk-secret'").faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("GREENROOM_LLM__API_KEY") && faults[0].ends_with("(greenroom.toml:2)"));
    assert!(!faults[0].contains("sk-secret"));
}

#[test]
fn a_secret_never_shows_in_a_fault_or_in_debug_output() {
    let faults = Given::nothing().variable("GREENROOM_SERVER__TOKEN", " ").faults();
    assert_eq!(
        faults,
        ["server.token: must be a text that is not empty (environment variable GREENROOM_SERVER__TOKEN)"]
    );
    let bad_line = Given::nothing().dot_env("OPENAI_API_KEY='sk-secret").faults();
    assert!(!bad_line.concat().contains("sk-secret"), "{bad_line:?}");
    let config = Given::nothing()
        .variable("OPENAI_API_KEY", "sk-secret")
        .load()
        .unwrap();
    assert!(!format!("{config:?}").contains("sk-secret"));
}

#[test]
fn listening_beyond_loopback_needs_a_token() {
    let faults = Given::file("[server]\nlisten = '0.0.0.0:80'").faults();
    assert!(
        faults[0].starts_with("server.listen: 0.0.0.0:80 can be reached from other machines"),
        "{faults:?}"
    );
    let with_token =
        Given::file("[server]\nlisten = '0.0.0.0:80'").variable("GREENROOM_SERVER__TOKEN", "long");
    assert!(with_token.load().is_ok());
}

#[test]
fn a_token_that_no_browser_can_send_is_refused_and_not_repeated() {
    let faults = Given::nothing()
        .variable("GREENROOM_SERVER__TOKEN", "se/cret==")
        .faults();
    assert!(
        faults.len() == 1
            && faults[0].starts_with("server.token: must be made of ")
            && !faults[0].contains("cret"),
        "{faults:?}"
    );
    let sane = Given::nothing().variable("GREENROOM_SERVER__TOKEN", "aZ09!#$%&'*+-.^_`|~");
    assert!(sane.load().is_ok());
}

#[test]
fn another_provider_than_openai_has_an_address_of_its_own() {
    let given = || Given::nothing().variable("GREENROOM_LLM__PROVIDER", "ollama");
    for given in [
        given(),
        given().variable("OPENAI_BASE_URL", "https://API.openai.com/v1"),
    ] {
        let faults = given.faults();
        assert!(faults[0].starts_with("llm.provider: `ollama` "), "{faults:?}");
    }
    assert!(
        given()
            .variable("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
            .load()
            .is_ok()
    );
}

#[test]
fn only_the_responses_api_has_a_background() {
    let own = "[llm]\nbase_url = 'http://localhost:11434/v1'\nprovider = 'ollama'\nbackground = 'on'";
    for text in [
        own.to_owned(),
        "[llm]\napi = 'chat'\nbackground = 'on'".to_owned(),
    ] {
        let faults = Given::file(&text).faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].starts_with("llm.background: only the Responses API"),
            "{faults:?}"
        );
    }
    for text in [
        format!("{own}\napi = 'responses'"),
        "[llm]\nbackground = 'on'".to_owned(),
    ] {
        let config = Given::file(&text).load().unwrap();
        assert_eq!(config.llm.background, BackgroundMode::On, "{text}");
    }
}

#[test]
fn a_database_that_is_not_served_is_refused_and_its_password_not_repeated() {
    let faults = Given::nothing()
        .variable("DATABASE_URL", "postgres://me:secret@db/x")
        .faults();
    assert!(
        faults[0].contains("PostgreSQL is not served by this release") && !faults[0].contains("secret"),
        "{faults:?}"
    );
    assert!(
        Given::nothing()
            .variable("DATABASE_URL", "sqlite://x.db")
            .load()
            .is_ok()
    );
}

#[test]
fn a_variable_of_ours_that_is_not_text_is_a_fault_and_any_other_is_not() {
    use std::os::unix::ffi::OsStringExt as _;

    let faults = |name: &str| {
        let garbled = OsString::from_vec(vec![b'a', 0xff]);
        let variables = [(OsString::from(name), garbled)];
        load_from(&ServeArgs::default(), variables, Path::new("/nonexistent")).err()
    };
    for name in ["GREENROOM_SERVER__TOKEN", "OPENAI_API_KEY"] {
        let told = faults(name).unwrap().to_string();
        assert!(
            told.contains(&format!("{name}: the variable is not UTF-8")),
            "{told}"
        );
    }
    assert_eq!(faults("LS_COLORS"), None);
}

#[test]
fn all_faults_come_in_one_message() {
    let given = Given::file("[server]\nlisten = 1\nx = 2\n[llm]\napi_key = 'k'\n")
        .variable("GREENROOM_LOG__LEVEL", "=");
    let ConfigFaults(faults) = given.load().unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
    let message = ConfigFaults(faults).to_string();
    assert!(
        message.starts_with("the configuration has 4 faults:\n  - "),
        "{message}"
    );
}

#[test]
fn the_example_file_is_valid_and_says_the_defaults() {
    let mut example = Given::file(include_str!("../../greenroom.example.toml"))
        .load()
        .unwrap();
    let place = example.places.of_setting("llm.model").unwrap();
    assert!(place.contains("greenroom.toml:"), "{place}");
    example.places = Places::default();
    let defaults = Given::nothing().load().unwrap();
    assert_eq!(format!("{example:?}"), format!("{defaults:?}"));
}

/// What becomes of ears, voice and checks: provider, address, key and model of each, or why there is none.
fn services(config: &Config) -> [String; 3] {
    [&config.stt, &config.tts, &config.moderation.service].map(|service| match service {
        ServiceSettings::At(server) => {
            let key = server
                .api_key
                .as_ref()
                .map_or("no key", |key| key.expose_secret());
            let base_url = server.base_url.as_deref().unwrap_or("OpenAI");
            format!("{} at {base_url} with {key}: {}", server.provider, server.model)
        }
        ServiceSettings::KeyMissing => "no key".to_owned(),
        ServiceSettings::ModelUnnamed => "no model".to_owned(),
    })
}

#[test]
fn a_key_of_openai_alone_configures_ears_voice_and_checks() {
    let config = Given::nothing().variable("OPENAI_API_KEY", "sk").load().unwrap();
    let expected = [
        "openai at OpenAI with sk: gpt-transcribe",
        "openai at OpenAI with sk: gpt-4o-mini-tts",
        "openai at OpenAI with sk: omni-moderation-latest",
    ];
    assert_eq!(services(&config), expected);
    let nothing = Given::nothing().load().unwrap();
    assert_eq!(services(&nothing), ["no key"; 3]);
}

#[test]
fn a_local_server_for_text_is_asked_for_nothing_else_that_is_not_named() {
    let local = || {
        Given::nothing()
            .variable("OPENAI_BASE_URL", "http://h/v1")
            .variable("OPENAI_API_KEY", "sk")
            .variable("GREENROOM_LLM__PROVIDER", "ollama")
    };
    assert_eq!(services(&local().load().unwrap()), ["no model"; 3]);
    let named = local()
        .variable("GREENROOM_STT__MODEL", "whisper")
        .variable("GREENROOM_TTS__MODEL", "kokoro")
        .variable("GREENROOM_TTS__API_KEY", "sk-voice")
        .load()
        .unwrap();
    let expected = [
        "ollama at http://h/v1 with sk: whisper",
        "ollama at http://h/v1 with sk-voice: kokoro",
        "no model",
    ];
    assert_eq!(services(&named), expected);
    let faults = local().variable("GREENROOM_STT__API_KEY", "sk-ears").faults();
    assert!(
        faults.len() == 1 && faults[0].starts_with("stt.api_key: it is not said whose key it is"),
        "{faults:?}"
    );
}

#[test]
fn a_server_of_its_own_has_a_model_of_its_own_and_is_never_sent_anothers_key() {
    let file = "[stt]\nbase_url = 'http://ears/v1'\nmodel = 'whisper'\nprovider = 'speaches'\n\
                [tts]\nbase_url = 'https://api.openai.com/v1'";
    let config = Given::file(file).variable("OPENAI_API_KEY", "sk").load().unwrap();
    let [stt, tts, _] = services(&config);
    assert_eq!(stt, "speaches at http://ears/v1 with no key: whisper");
    assert_eq!(
        tts,
        "openai at https://api.openai.com/v1 with sk: gpt-4o-mini-tts"
    );
    check_fault(
        Given::file("[stt]\nbase_url = 'http://ears/v1'"),
        "stt.model: name the model of the server at stt.base_url",
    );
    let faults = Given::file("[tts]\nprovider = 'kokoro'").faults();
    assert!(
        faults[0].starts_with("tts.provider: `kokoro` is to be found at OpenAI's address"),
        "{faults:?}"
    );
    let faults = Given::file("[moderation]\napi_key = 'sk-secret'").faults();
    assert!(
        faults[0].contains("GREENROOM_MODERATION__API_KEY") && !faults[0].contains("sk-secret"),
        "{faults:?}"
    );
}

#[test]
fn speech_is_heard_live_at_openai_and_elsewhere_only_if_it_is_asked_for() {
    let live = |given: Given| {
        let server = given.load().unwrap().live_stt?;
        let base_url = server.base_url.as_deref().unwrap_or("OpenAI").to_owned();
        Some(format!("{base_url}: {}", server.model))
    };
    let check = |file: &str, expected: Option<&str>| {
        let given = Given::file(file).variable("OPENAI_API_KEY", "sk");
        assert_eq!(live(given).as_deref(), expected, "{file}");
    };
    check("", Some("OpenAI: gpt-live-transcribe"));
    check("[stt]\nmodel = 'whisper-1'", Some("OpenAI: gpt-live-transcribe"));
    check(
        "[stt]\nrealtime_model = 'gpt-transcribe'",
        Some("OpenAI: gpt-transcribe"),
    );
    check("[stt]\nrealtime = 'off'\nrealtime_model = 'm'", None);
    let own = "[stt]\nbase_url = 'http://ears/v1'\nmodel = 'whisper'";
    check(own, None);
    check(
        &format!("{own}\nrealtime = 'on'"),
        Some("http://ears/v1: whisper"),
    );
    check(
        &format!("{own}\nrealtime_model = 'quick'"),
        Some("http://ears/v1: quick"),
    );
    assert_eq!(live(Given::nothing()), None);
    check_fault(
        Given::file("[stt]\nrealtime = 'on'"),
        "stt.realtime: nobody is configured who hears: set OPENAI_API_KEY, or stt.base_url and stt.model \
         (greenroom.toml:2)",
    );
    check_fault(
        Given::file("[stt]\nrealtime = 'yes'"),
        "stt.realtime: expected one of auto, on, off, found `yes` (greenroom.toml:2)",
    );
}

#[test]
fn checks_are_required_where_somebody_checks_unless_it_is_said_otherwise() {
    use greenroom_session::ports::ModerationPolicy::{self, BestEffort, Off, Required};

    let policies = |given: Given| {
        let moderation = given.load().unwrap().moderation;
        (moderation.input, moderation.output)
    };
    let with_key = |file: &str| Given::file(file).variable("OPENAI_API_KEY", "sk");
    let check = |given: Given, expected: (ModerationPolicy, ModerationPolicy)| {
        assert_eq!(policies(given), expected);
    };
    check(Given::nothing(), (Off, Off));
    check(with_key(""), (Required, Required));
    check(
        with_key("[moderation]\ninput = 'best_effort'\noutput = 'off'"),
        (BestEffort, Off),
    );
    check(Given::file("[moderation]\ninput = 'best_effort'"), (Off, Off));
    let faults = Given::file("[moderation]\ninput = 'required'\noutput = 'perhaps'").faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].starts_with("moderation.input: nobody is configured who checks"),
        "{faults:?}"
    );
}
