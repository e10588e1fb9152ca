//! The settings, their defaults and what must be true of them together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use greenroom_providers::{ApiStyle, BackgroundMode};
use greenroom_session::JobLimits;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use tracing_subscriber::EnvFilter;

use super::layers::Layers;
use super::reader::Reader;
use super::services::{ModerationSettings, ServiceServer, ServiceSettings};
use super::{ConfigFaults, Origin, Places, jobs};
use crate::limits::LimitName;

/// The name of the default provider, and where it is.
pub(super) const OPENAI: &str = "openai";
const OPENAI_HOST: &str = "api.openai.com";

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// How it is reached.
    pub server: ServerSettings,
    /// Where it keeps things.
    pub store: StoreSettings,
    /// Which language model it uses.
    pub llm: LlmSettings,
    /// Who turns speech into words.
    pub stt: ServiceSettings,
    /// Who turns speech into words while it is spoken; none means that this is done once it is complete.
    pub live_stt: Option<ServiceServer>,
    /// Who turns words into speech.
    pub tts: ServiceSettings,
    /// Who checks texts, and which.
    pub moderation: ModerationSettings,
    /// How live voice sounds.
    pub voice: VoiceSettings,
    /// What one client, and all together, may ask for.
    pub limits: LimitSettings,
    /// How long jobs may make no progress, and how often they are tried.
    pub jobs: JobLimits,
    /// How long it keeps sessions.
    pub retention: RetentionSettings,
    /// What it logs.
    pub log: LogSettings,
    /// Which playbooks it offers.
    pub playbook: PlaybookSettings,
    /// Where the settings were made.
    pub places: Places,
    /// Panics to provoke, for tests of the built server.
    #[cfg(debug_assertions)]
    pub faults: greenroom_actors::Faults,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Folder of the database, the blobs and the admin socket.
    pub data_dir: PathBuf,
    /// What must work for the server to start.
    pub require: Vec<Dependency>,
    /// Pages that may use the server, beside its own.
    pub allowed_origins: Vec<Origin>,
    /// The bearer token that clients must send; none means that everybody may come.
    pub token: Option<SecretString>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long live turns may take to finish when the server stops.
    pub drain: Duration,
}

/// `[store]`
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Pages that the database may have; none means as many as fit on the disk. Reread on SIGHUP.
    pub page_limit: Option<u32>,
    /// Below this much free disk new work is refused.
    pub min_free_disk_bytes: u64,
}

/// `[llm]`
#[derive(Debug, Clone)]
pub struct LlmSettings {
    /// What provenance, metrics and the operator's views call the provider.
    pub provider: String,
    /// Where it is; none means OpenAI itself.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: Option<SecretString>,
    /// The capable model.
    pub model: String,
    /// The quick and cheap one.
    pub small_model: String,
    /// Whether somebody else's server is called by the names of OpenAI's models, because none were given.
    pub borrows_model_names: bool,
    /// Which of OpenAI's two protocols it speaks.
    pub api: ApiStyle,
    /// Whether stages go on there while nobody waits for them, so that they can be taken up after a crash.
    pub background: BackgroundMode,
    /// A price table that takes the place of the one that ships with the server.
    pub prices: Option<PathBuf>,
}

/// `[voice]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceSettings {
    /// How far the audio of a reply may be ahead of its playback: what the network may swallow without a gap, and what
    /// is thrown away when somebody interrupts.
    pub lead: Duration,
    /// How long a recording may be; what comes after it is not recorded.
    pub recording_max: Duration,
}

/// `[limits]`, all reread on SIGHUP; what an operator set holds in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections at once.
    pub connections: usize,
    /// Sessions in memory at once; beyond it no further one is made or woken.
    pub sessions: usize,
    /// Recordings in memory at once, from their first byte until they are decoded.
    pub uploads: usize,
    /// Sockets with a microphone or a loudspeaker at once.
    pub voice_lines: usize,
    /// Requests a minute of one user, and of one client address; 0 means no limit.
    pub requests_per_minute: u32,
    /// Turns a minute of one user, and of one client address; 0 means no limit.
    pub turns_per_minute: u32,
}

/// `[retention]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// How long a session is kept after something was last told in it; none means for ever.
    pub sessions: Option<Duration>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines are written, as a `RUST_LOG` directive. Reread on SIGHUP.
    pub level: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// `[playbook]`
#[derive(Debug, Clone)]
pub struct PlaybookSettings {
    /// A folder with one folder per playbook, which come beside the built-in one or take its place.
    pub dir: Option<PathBuf>,
    /// The playbook of sessions that name none.
    pub default: String,
}

/// What `server.require` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// A language model is configured.
    Llm,
    /// It can search the web.
    Search,
    /// Speech can be turned into words.
    Stt,
    /// Words can be turned into speech.
    Tts,
    /// Texts can be checked.
    Moderation,
}

impl Dependency {
    const ALL: [Self; 5] = [Self::Llm, Self::Search, Self::Stt, Self::Tts, Self::Moderation];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Search => "search",
            Self::Stt => "stt",
            Self::Tts => "tts",
            Self::Moderation => "moderation",
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dependency| dependency.name() == name)
    }
}

impl Config {
    /// Reads and checks all settings. The answer to a bad configuration is every fault.
    pub fn read(layers: Layers) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(layers);
        let (server, store) = (
            ServerSettings::read(&mut reader),
            StoreSettings::read(&mut reader),
        );
        let llm = LlmSettings::read(&mut reader);
        let stt = ServiceSettings::read_stt(&mut reader, &llm);
        let config = Self {
            server,
            store,
            live_stt: ServiceSettings::read_live_stt(&mut reader, &stt),
            stt,
            tts: ServiceSettings::read_tts(&mut reader, &llm),
            moderation: ModerationSettings::read(&mut reader, &llm),
            voice: VoiceSettings::read(&mut reader),
            llm,
            limits: LimitSettings::read(&mut reader),
            jobs: jobs::read(&mut reader),
            retention: RetentionSettings::read(&mut reader),
            log: LogSettings::read(&mut reader),
            playbook: PlaybookSettings::read(&mut reader),
            places: reader.places(),
            #[cfg(debug_assertions)]
            faults: greenroom_actors::Faults {
                panic_session_on: reader.text("faults.panic_session_on"),
                panic_agent_on: reader.text("faults.panic_agent_on"),
                panic_stage: reader.text("faults.panic_stage"),
                panic_ear_on: reader.text("faults.panic_ear_on").map(String::into_bytes),
                panic_fold_on: reader.text("faults.panic_fold_on"),
            },
        };
        let faults = reader.finish();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigFaults(faults))
        }
    }
}

impl ServerSettings {
    fn read(reader: &mut Reader) -> Self {
        let default_listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        let settings = Self {
            listen: reader
                .value("server.listen", "an address such as 127.0.0.1:8080")
                .unwrap_or(default_listen),
            data_dir: reader
                .text("server.data_dir")
                .map_or_else(|| PathBuf::from("./data"), PathBuf::from),
            require: reader
                .list(
                    "server.require",
                    "llm, search, stt, tts or moderation",
                    Dependency::by_name,
                )
                .unwrap_or_default(),
            allowed_origins: reader
                .list(
                    "server.allowed_origins",
                    "an origin such as https://app.example.org",
                    |text| text.parse().ok(),
                )
                .unwrap_or_default(),
            token: reader.secret("server.token"),
            trusted_proxies: reader
                .list(
                    "server.trusted_proxies",
                    "an address or a network such as 10.0.0.0/8",
                    parse_network,
                )
                .unwrap_or_default(),
            drain: Duration::from_secs(reader.number("server.drain_seconds", 0..=3_600).unwrap_or(30)),
        };
        let token = settings.token.as_ref().map(SecretString::expose_secret);
        if token.is_some_and(|token| !token.bytes().all(is_token_character)) {
            reader.fault(
                "server.token",
                "must be made of letters, digits and !#$%&'*+-.^_`|~ alone, for browsers send it as the name of a \
                 subprotocol",
            );
        }
        if !settings.listen.ip().is_loopback() && settings.token.is_none() {
            reader.fault(
                "server.listen",
                &format!(
                    "{} can be reached from other machines, so clients must prove who they are: set \
                     GREENROOM_SERVER__TOKEN (long and random), or listen on 127.0.0.1",
                    settings.listen
                ),
            );
        }
        settings
    }
}

impl StoreSettings {
    fn read(reader: &mut Reader) -> Self {
        const MIB: u64 = 1024 * 1024;
        let page_limit = reader.number("store.page_limit", 1..=u64::from(u32::MAX) - 1);
        Self {
            page_limit: page_limit.and_then(|pages| u32::try_from(pages).ok()),
            min_free_disk_bytes: reader
                .number("store.min_free_disk_mb", 0..=1_000_000)
                .unwrap_or(100)
                * MIB,
        }
    }
}

impl LlmSettings {
    fn read(reader: &mut Reader) -> Self {
        let styles = [
            ("auto", ApiStyle::Auto),
            ("responses", ApiStyle::Responses),
            ("chat", ApiStyle::ChatCompletions),
        ];
        let backgrounds = [
            ("auto", BackgroundMode::Auto),
            ("on", BackgroundMode::On),
            ("off", BackgroundMode::Off),
        ];
        reader.refuse_in_file("llm.api_key");
        let base_url = reader.text("llm.base_url");
        let (model, small_model) = (reader.text("llm.model"), reader.text("llm.small_model"));
        let is_foreign = base_url.as_deref().is_some_and(|url| !is_openai(url));
        let settings = Self {
            borrows_model_names: is_foreign && (model.is_none() || small_model.is_none()),
            provider: reader.text("llm.provider").unwrap_or_else(|| OPENAI.to_owned()),
            base_url,
            api_key: reader.secret("llm.api_key"),
            model: model.unwrap_or_else(|| "gpt-5.1".to_owned()),
            small_model: small_model.unwrap_or_else(|| "gpt-6.1-terra".to_owned()),
            api: reader.choice("llm.api", &styles).unwrap_or_default(),
            background: reader.choice("llm.background", &backgrounds).unwrap_or_default(),
            prices: reader.text("llm.prices").map(PathBuf::from),
        };
        if settings.provider != OPENAI && settings.base_url.as_deref().is_none_or(is_openai) {
            reader.fault(
                "llm.provider",
                &format!(
                    "`{}` is to be found at OpenAI's address: set OPENAI_BASE_URL to its own, or call it {OPENAI}",
                    settings.provider
                ),
            );
        }
        let speaks_responses = match settings.api {
            ApiStyle::Responses => true,
            ApiStyle::ChatCompletions => false,
            ApiStyle::Auto => !is_foreign,
        };
        if settings.background == BackgroundMode::On && !speaks_responses {
            let problem = "only the Responses API knows of it: set llm.api to responses, if the server speaks that, or \
                           let it be `auto`";
            reader.fault("llm.background", problem);
        }
        settings
    }
}

impl VoiceSettings {
    fn read(reader: &mut Reader) -> Self {
        Self {
            lead: Duration::from_millis(reader.number("voice.lead_ms", 100..=5_000).unwrap_or(400)),
            recording_max: Duration::from_mins(
                reader.number("voice.recording_minutes", 1..=600).unwrap_or(30),
            ),
        }
    }
}

impl LimitSettings {
    fn read(reader: &mut Reader) -> Self {
        let mut number = |key, limit: LimitName| reader.number(key, limit.range());
        let count = |number: Option<u64>, default: usize| {
            number
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(default)
        };
        let rate = |number: Option<u64>, default: u32| {
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(default)
        };
        Self {
            connections: count(number("limits.connections", LimitName::Connections), 20_000),
            sessions: count(number("limits.sessions", LimitName::Sessions), 20_000),
            uploads: count(number("limits.uploads", LimitName::Uploads), 16),
            voice_lines: count(number("limits.voice_lines", LimitName::VoiceLines), 10_000),
            requests_per_minute: rate(
                number("limits.requests_per_minute", LimitName::RequestsPerMinute),
                1_200,
            ),
            turns_per_minute: rate(number("limits.turns_per_minute", LimitName::TurnsPerMinute), 300),
        }
    }
}

impl RetentionSettings {
    fn read(reader: &mut Reader) -> Self {
        /// A century.
        const DAYS_MAX: u64 = 36_525;
        let days = reader
            .number("retention.sessions_days", 0..=DAYS_MAX)
            .unwrap_or(0);
        Self {
            sessions: (days > 0).then(|| Duration::from_hours(24 * days)),
        }
    }
}

impl LogSettings {
    fn read(reader: &mut Reader) -> Self {
        let formats = [
            ("auto", LogFormat::Auto),
            ("json", LogFormat::Json),
            ("pretty", LogFormat::Pretty),
        ];
        let format = reader.choice("log.format", &formats).unwrap_or(LogFormat::Auto);
        let level = reader.text("log.level").unwrap_or_else(|| "info".to_owned());
        if EnvFilter::try_new(&level).is_err() {
            reader.fault(
                "log.level",
                &format!("expected a level such as info or greenroom=debug, found `{level}`"),
            );
        }
        Self { format, level }
    }
}

impl PlaybookSettings {
    fn read(reader: &mut Reader) -> Self {
        Self {
            dir: reader.text("playbook.dir").map(PathBuf::from),
            default: reader
                .text("playbook.default")
                .unwrap_or_else(|| "launch".to_owned()),
        }
    }
}

/// What RFC 7230 lets a token be made of.
const fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

pub(super) fn is_openai(base_url: &str) -> bool {
    let address = base_url.trim().parse::<Uri>().ok();
    address.is_some_and(|address| {
        address
            .host()
            .is_some_and(|host| host.eq_ignore_ascii_case(OPENAI_HOST))
    })
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| {
        text.parse()
            .ok()
            .map(|address: std::net::IpAddr| IpNet::from(address))
    })
}
