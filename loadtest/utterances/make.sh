#!/usr/bin/env bash
# Makes the recordings that utterances.toml lists: 16 kHz mono FLAC, spoken by flite.
# Needs flite, sox, ffmpeg and python3 (3.11 or later). The same versions make the same bytes.
set -euo pipefail
cd "$(dirname "$0")"

scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# Speech without the silence around it, which differs from voice to voice.
say() { # voice, text, wav
    flite -voice "$1" -t "$2" -o "$scratch/raw.wav"
    sox -D "$scratch/raw.wav" "$3" silence 1 0.01 0.3% reverse silence 1 0.01 0.3% reverse
}

# A line an utterance: file, voice, milliseconds between parts, then its parts.
list() {
    python3 - <<'PYTHON'
import tomllib

with open("utterances.toml", "rb") as index:
    for utterance in tomllib.load(index)["utterances"]:
        parts = utterance.get("spoken", [utterance["text"]])
        print(utterance["file"], utterance["voice"], utterance.get("pause_ms", 0), *parts, sep="\t")
PYTHON
}

while IFS=$'\t' read -r -a fields; do
    file=${fields[0]} voice=${fields[1]} pause_ms=${fields[2]}
    parts=("${fields[@]:3}")
    pause_s=$(printf '%d.%03d' $((pause_ms / 1000)) $((pause_ms % 1000)))
    wavs=()
    for index in "${!parts[@]}"; do
        wav="$scratch/part-$index.wav"
        say "$voice" "${parts[$index]}" "$wav"
        if ((index > 0)); then
            sox -D "$wav" "$scratch/later-$index.wav" pad "$pause_s" 0
            wav="$scratch/later-$index.wav"
        fi
        wavs+=("$wav")
    done
    # A breath before and after, and the same loudest sample for every voice.
    sox -D "${wavs[@]}" "$scratch/whole.wav" norm -3 pad 0.15 0.25
    ffmpeg -nostdin -loglevel error -y -i "$scratch/whole.wav" -map_metadata -1 -bitexact \
        -ac 1 -ar 16000 -sample_fmt s16 -compression_level 12 "$file"
done < <(list)
