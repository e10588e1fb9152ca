"""Measures what live voice costs a server: processor time, memory, latency that it adds, sessions a core; and the floors.

Starts the simulator and the server (a fresh pair for each number of sessions), talks to it with `loadtest voice`, and does
the same to a bare WebSocket that only reads the same frames, and to the detector alone. Where there are two processors or
more, whatever is measured has one for itself, and everything else shares the others.

    cargo build --release --bin greenroom && cargo build --release --package greenroom-loadtest
    python3 loadtest/measure/voice_cost.py target/release

Ends by itself, within about 15 minutes with the defaults, and ends only what it started. Linux only.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

# Above this, beyond what a turn takes while nobody else talks, the server keeps people waiting.
ADDED_P95_MS_MAX = 20.0
# What `added` is made of, as the server tells it.
SEGMENTS = ["transcription", "planner_first_token", "first_sentence", "voice_first_byte", "delivery"]
# A core that is this busy is full, in CPU-ms a second.
CORE_FULL_MS = 950.0
READY_WITHIN_S = 30
# What a run may take beyond its ramp and its measurement: the last replies are heard to their end.
FINISH_WITHIN_S = 120
OPEN_FILES = 65_536


@dataclasses.dataclass(frozen=True)
class Setup:
    """What holds for all measurements."""

    binaries: pathlib.Path
    seconds: int
    first_token_ms: int
    voice_arguments: list[str]
    input_arguments: list[str]


def processors() -> tuple[set[int], set[int]]:
    """The one that what is measured runs on, and those of everything else."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, set(available[1:]) or {available[0]}


MEASURED, OTHERS = processors()


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def running(
    command: list[str], on: set[int], ready: str, folder: str, niceness: int = 0, **environment: str
) -> Iterator[int]:
    """A process on these processors, from when its address answers until the block ends; its id."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with open(os.path.join(folder, pathlib.Path(command[0]).name + ".log"), "ab") as log:
        process = subprocess.Popen(command, cwd=folder, env={**kept, **environment}, stdout=log, stderr=log)
    try:
        os.sched_setaffinity(process.pid, on)
        os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
        for _ in range(READY_WITHIN_S * 20):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}: see {log.name}")
            with contextlib.suppress(OSError):
                host, port = ready.split("/")[2].split(":")
                socket.create_connection((host, int(port)), timeout=1).close()
                if ready.count("/") > 2:
                    urllib.request.urlopen(ready, timeout=1).close()
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"{command[0]} is not ready after {READY_WITHIN_S} s")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_loadtest(setup: Setup, *arguments: str, timeout_s: int, on: set[int] = OTHERS) -> dict:
    """The report of a load test."""
    command = [str(setup.binaries / "loadtest"), *arguments, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, on)
        try:
            report, complaints = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    if not report:
        raise RuntimeError(f"{' '.join(command)}: {complaints}")
    return json.loads(report)


def talk(setup: Setup, url: str, pid: int, sessions: int, *more: str) -> dict:
    ramp_s = max(2, sessions // 50)
    return run_loadtest(
        setup, "voice", "--url", url, "--server-pid", str(pid), "--sessions", str(sessions),
        "--duration", f"{setup.seconds}s", "--ramp", f"{ramp_s}s", *setup.input_arguments, *more,
        timeout_s=ramp_s + setup.seconds + FINISH_WITHIN_S,
    )  # fmt: skip


def talk_to_server(setup: Setup, sessions: int) -> dict:
    """So many people talk to a fresh server."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as world:
        simulator, server = free_address(), free_address()
        provider = [
            str(setup.binaries / "loadtest"), "provider", "--listen", simulator,
            "--first-token-ms", str(setup.first_token_ms), "--tokens-per-second", "1000000",
        ]  # fmt: skip
        # The load tester has to be on time; the simulator has what it leaves.
        world.enter_context(running(provider, OTHERS, f"http://{simulator}/_sim/health", folder, niceness=5))
        environment = {
            f"GREENROOM_{name}": value
            for name, value in {
                "LLM__PROVIDER": "simulator", "LLM__BASE_URL": f"http://{simulator}/v1", "LLM__API": "responses",
                "LLM__MODEL": "sim-large", "LLM__SMALL_MODEL": "sim-small",
                "STT__MODEL": "sim-transcribe", "STT__REALTIME_MODEL": "sim-live-transcribe", "TTS__MODEL": "sim-tts",
                "LIMITS__REQUESTS_PER_MINUTE": "0", "LIMITS__TURNS_PER_MINUTE": "0",
            }.items()
        }  # fmt: skip
        serve = [str(setup.binaries / "greenroom"), "serve", "--listen", server, "--data-dir", f"{folder}/data"]
        pid = world.enter_context(running(serve, MEASURED, f"http://{server}/ready", folder, **environment))
        simulated = ",".join(
            f"{segment}={setup.first_token_ms}"
            for segment in ("transcription", "planner_first_token", "voice_first_byte")
        )
        return talk(setup, f"http://{server}", pid, sessions, "--simulated", simulated, *setup.voice_arguments)


def send_to_floor(setup: Setup, sessions: int) -> dict:
    """So many microphones send to a socket that only reads."""
    with tempfile.TemporaryDirectory() as folder:
        address = free_address()
        floor = [str(setup.binaries / "loadtest"), "floor", "--listen", address]
        with running(floor, MEASURED, f"http://{address}", folder) as pid:
            return talk(setup, f"http://{address}", pid, sessions, "--floor")


def hear_alone(setup: Setup) -> dict:
    """The detector alone."""
    return run_loadtest(setup, "detector", *setup.input_arguments, timeout_s=FINISH_WITHIN_S, on=MEASURED)


def row(report: dict) -> str:
    server, added, pause = report["server"], report["latency_ms"]["added"], report["barge_in"]["to_pause_ms"]
    parts = " / ".join(f"{report['latency_ms']['segments'][segment]['p50']:.0f}" for segment in SEGMENTS)
    return (
        f"| {report['sessions']['asked']} | {server['cpu_ms_per_session_second']:.2f} | {server['kib_per_session']:.0f} "
        f"| {added['p50']:.0f} / {added['p95']:.0f} / {added['p99']:.0f} ({added['count']}) "
        f"| {parts} "
        f"| {pause['p50']:.0f} / {pause['p99']:.0f} ({pause['count']}) "
        f"| {report['counts']['answered']} of {report['counts']['utterances']} | {report['counts']['underruns']} "
        f"| {report['violations']['count']} {report['violations']['by_kind'] or ''} "
        f"| {report['tester']['lag_ms']['p99']:.1f} | {report['tester']['cpu_ms_per_session_second']:.2f} |"
    )


def what_stops(report: dict, alone_ms: float) -> str | None:
    """Why more sessions would be too many, if a turn takes so long while nobody else talks; none if they would not."""
    server, sessions = report["server"], report["sessions"]["connected"]
    if not report["tester"]["is_on_time"]:
        return "the load tester is late itself, so that the server's limit cannot be told"
    if server["cpu_ms_per_session_second"] * sessions > CORE_FULL_MS:
        return "the server's core is full"
    added_ms = report["latency_ms"]["added"]["p95"] - alone_ms
    if added_ms > ADDED_P95_MS_MAX:
        return f"p95 added latency is {added_ms:.0f} ms above the {alone_ms:.0f} ms of whoever talks alone"
    return None


def ramp(setup: Setup, reports: list[dict], sessions_max: int) -> tuple[int, str]:
    """Doubles the sessions until something stops it: the last good number, and what did."""
    good, why = 0, f"the measurement ends at {sessions_max} sessions"
    # What the simulator itself takes to hear, think and speak, mostly.
    alone_ms = reports[0]["latency_ms"]["added"]["p50"]
    for report in reports[1:]:
        if (stops := what_stops(report, alone_ms)) is not None:
            return good, f"at {report['sessions']['asked']} sessions {stops}"
        good = report["sessions"]["asked"]
    while 0 < good * 2 <= sessions_max:
        report = talk_to_server(setup, good * 2)
        print(row(report), flush=True)
        if (stops := what_stops(report, alone_ms)) is not None:
            return good, f"at {good * 2} sessions {stops}"
        good *= 2
    return good, why


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("binaries", type=pathlib.Path, help="the folder of greenroom and loadtest, built for release")
    parser.add_argument("--sessions", default="1,50,200", help="how many people talk at once; the others are held against the first")
    parser.add_argument("--sessions-max", type=int, default=3200, help="where doubling them ends")
    parser.add_argument("--seconds", type=int, default=30, help="how long each run is measured")
    parser.add_argument("--first-token-ms", type=int, default=0, help="what the simulator takes, each time it is asked")
    parser.add_argument("--codec", default="pcm_s16le")
    parser.add_argument("--sample-rate", default="16000")
    parser.add_argument("--output", default="pcm_s16le@24000")
    asked = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    setup = Setup(
        binaries=asked.binaries.resolve(),
        seconds=asked.seconds,
        first_token_ms=asked.first_token_ms,
        voice_arguments=["--output", asked.output],
        input_arguments=["--codec", asked.codec, "--sample-rate", asked.sample_rate],
    )
    numbers = sorted(int(number) for number in asked.sessions.split(","))
    print(f"microphones {asked.codec} at {asked.sample_rate} Hz, replies {asked.output}; {asked.seconds} s each")
    print("| sessions | CPU-ms per session-second | KiB per session | added ms p50 / p95 / p99 "
          "| transcription / planner / sentence / voice / delivery ms p50 | onset to pause ms p50 / p99 "
          "| answered | underruns | violations | tester late by p99 ms | tester's CPU-ms per session-second |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    reports = []
    for number in numbers:
        reports.append(talk_to_server(setup, number))
        print(row(reports[-1]), flush=True)
    good, why = ramp(setup, reports, asked.sessions_max)
    floor = send_to_floor(setup, numbers[-1])["server"]
    detector = hear_alone(setup)["cpu_ms_per_session_second"]
    server = reports[-1]["server"]["cpu_ms_per_session_second"]
    floors = floor["cpu_ms_per_session_second"] + detector
    print(f"\nfloor: socket {floor['cpu_ms_per_session_second']:.2f} CPU-ms per session-second, {floor['kib_per_session']:.0f} KiB "
          f"per session; detector {detector:.2f}; together {floors:.2f}")  # fmt: skip
    print(f"server at {numbers[-1]} sessions: {server:.2f}, {server / floors:.1f} times the floors; "
          f"by its processor time alone {1000 / server:.0f} sessions a core")  # fmt: skip
    print(f"sessions a core: {good} ({why})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
