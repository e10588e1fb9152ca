//! The arguments of the load tester's commands.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use greenroom_protocol::AudioCodec;
use tokio::net::TcpListener;

use super::detector::detector_alone;
use super::floor::serve_floor;
use super::options::{Output, Simulated, VoiceOptions, parse_codec, parse_duration};
use super::recordings::FrameShape;
use super::voice::voice;

#[derive(Debug, Args)]
pub(crate) struct VoiceArgs {
    /// The server, such as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    url: String,
    /// How many people talk at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    sessions: usize,
    /// How long it is measured, once everybody is there: `30s`, `2m`.
    #[arg(long, value_name = "D", default_value = "30s", value_parser = parse_duration)]
    duration: Duration,
    /// Within what time everybody comes; 20 ms each unless it is given.
    #[arg(long, value_name = "S", value_parser = parse_duration)]
    ramp: Option<Duration>,
    #[command(flatten)]
    input: InputArgs,
    /// How replies are spoken: `pcm_s16le@24000`, `opus@48000`, or `none`.
    #[arg(long, value_name = "CODEC@RATE", default_value = "pcm_s16le@24000")]
    output: String,
    /// The share of the replies that the next utterance interrupts.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    barge_in: f64,
    /// The share of the other replies during which somebody says "uh-huh".
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    backchannel: f64,
    /// How far ahead of playback the server may send, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 400)]
    lead_ms: u64,
    /// What the simulator is configured to take, by segment: `transcription=80,planner_first_token=120`.
    #[arg(long, value_name = "SEGMENT=MS,…", default_value = "")]
    simulated: Simulated,
    /// Seed of everything that looks arbitrary.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The server's process, to tell what it uses.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// The server's token.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GREENROOM_SERVER__TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Only send frames and expect nothing, against `loadtest floor`.
    #[arg(long)]
    floor: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// How microphones encode: `pcm_s16le` or `opus`.
    #[arg(long, value_name = "CODEC", default_value = "pcm_s16le", value_parser = parse_codec)]
    codec: AudioCodec,
    /// Samples a second of the microphones.
    #[arg(long, value_name = "HZ", default_value_t = 16_000)]
    sample_rate: u32,
    /// How long a frame of a microphone is, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    frame_ms: u64,
    /// From the beginning of an utterance to that of the next, at least.
    #[arg(long, value_name = "D", default_value = "6s", value_parser = parse_duration)]
    every: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    /// Where to listen; port 0 takes a free one. The address is printed once it is bound.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8091")]
    listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct DetectorArgs {
    #[command(flatten)]
    input: InputArgs,
    /// How much audio is heard.
    #[arg(long, value_name = "D", default_value = "10m", value_parser = parse_duration)]
    audio: Duration,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl InputArgs {
    fn shape(&self) -> FrameShape {
        FrameShape {
            codec: self.codec,
            sample_rate_hz: self.sample_rate,
            frame: Duration::from_millis(self.frame_ms),
        }
    }
}

impl VoiceArgs {
    fn options(self) -> anyhow::Result<VoiceOptions> {
        let spoken = (self.output != "none").then_some(self.output.as_str());
        let output = spoken.map(str::parse::<Output>).transpose()?;
        Ok(VoiceOptions {
            url: self.url,
            token: self.token,
            sessions: self.sessions,
            duration: self.duration,
            ramp: self
                .ramp
                .unwrap_or_else(|| Duration::from_millis(20) * self.sessions as u32),
            input: self.input.shape(),
            output,
            every: self.input.every,
            barge_in: self.barge_in,
            backchannel: self.backchannel,
            lead: Duration::from_millis(self.lead_ms),
            simulated: self.simulated,
            seed: self.seed,
            server_pid: self.server_pid,
            floor: self.floor,
        })
    }
}

/// `loadtest voice`
pub(crate) async fn run_voice(args: VoiceArgs, interrupted: impl Future<Output = ()>) -> anyhow::Result<()> {
    let is_json = args.json;
    let report = voice(args.options()?, interrupted).await?;
    if is_json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    ensure!(report.is_clean(), "{} violations", report.violation_count());
    Ok(())
}

/// `loadtest floor`
pub(crate) async fn run_floor(
    args: FloorArgs,
    interrupted: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    println!("floor listening on http://{}", listener.local_addr()?);
    serve_floor(listener, interrupted).await
}

/// `loadtest detector`
pub(crate) fn run_detector(args: &DetectorArgs) -> anyhow::Result<()> {
    let report = detector_alone(args.input.shape(), args.input.every, args.audio)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
