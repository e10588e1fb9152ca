//! Subtitles as players read them: `SubRip` and `WebVTT`.

use std::fmt::Write as _;

use serde_json::Value;

use super::content::clean;

/// One line, shown from `start_ms` to `end_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cue {
    start_ms: u64,
    end_ms: u64,
    text: String,
}

/// The lines of a list of `{start, end, text}` in seconds, in their order in time. A line that says nothing or lasts no
/// time is left out; one that would run into the next ends where that begins.
pub(super) fn cues(lines: &Value) -> Vec<Cue> {
    let cue = |line: &Value| {
        let text: Vec<String> = clean(line.get("text")?.as_str()?)
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        Some(Cue {
            start_ms: milliseconds(line.get("start")?)?,
            end_ms: milliseconds(line.get("end")?)?,
            text: text.join("\n"),
        })
    };
    let mut cues: Vec<Cue> = lines.as_array().into_iter().flatten().filter_map(cue).collect();
    cues.sort_by_key(|cue| cue.start_ms);
    let starts: Vec<u64> = cues.iter().skip(1).map(|cue| cue.start_ms).collect();
    for (cue, next_start_ms) in cues.iter_mut().zip(starts) {
        cue.end_ms = cue.end_ms.min(next_start_ms);
    }
    cues.retain(|cue| cue.end_ms > cue.start_ms && !cue.text.is_empty());
    cues
}

/// As `SubRip`, the format that every player knows.
pub(super) fn srt(cues: &[Cue]) -> String {
    let mut text = String::new();
    for (number, cue) in (1..).zip(cues) {
        let number: usize = number;
        // The format knows no escape; its arrow within a text would begin another line's times.
        let words = cue.text.replace("-->", "→").replace('\n', "\r\n");
        let (start, end) = (time(cue.start_ms, ','), time(cue.end_ms, ','));
        let _ = write!(text, "{number}\r\n{start} --> {end}\r\n{words}\r\n\r\n");
    }
    text
}

/// As `WebVTT`, the format of browsers.
pub(super) fn vtt(cues: &[Cue]) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    for cue in cues {
        let words = cue
            .text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let (start, end) = (time(cue.start_ms, '.'), time(cue.end_ms, '.'));
        let _ = write!(text, "{start} --> {end}\n{words}\n\n");
    }
    text
}

fn milliseconds(seconds: &Value) -> Option<u64> {
    let length = std::time::Duration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    // Rounded, so that 1.9999999 is 2 seconds.
    u64::try_from((length + std::time::Duration::from_micros(500)).as_millis()).ok()
}

fn time(ms: u64, decimal_mark: char) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{:03}",
        ms % 1_000
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_become_cues_in_both_formats() {
        let cues = cues(&json!([
            { "start": 0.0, "end": 2.5, "text": "아침 3초 <b>& 끝</b>" },
            { "start": 2.5, "end": 3723.0416, "text": "둘째 --> 줄\n\n이어서" },
        ]));
        assert_eq!(
            srt(&cues),
            "1\r\n00:00:00,000 --> 00:00:02,500\r\n아침 3초 <b>& 끝</b>\r\n\r\n\
             2\r\n00:00:02,500 --> 01:02:03,042\r\n둘째 → 줄\r\n이어서\r\n\r\n"
        );
        assert_eq!(
            vtt(&cues),
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n아침 3초 &lt;b&gt;&amp; 끝&lt;/b&gt;\n\n\
             00:00:02.500 --> 01:02:03.042\n둘째 --&gt; 줄\n이어서\n\n"
        );
    }

    #[test]
    fn lines_are_put_in_order_and_never_overlap() {
        let cues = cues(&json!([
            { "start": 3.0, "end": 4.0, "text": "b" },
            { "start": 0.0, "end": 3.5, "text": "a" },
            { "start": 5.0, "end": 5.0, "text": "no time" },
            { "start": 6.0, "end": 7.0, "text": " \n" },
            { "start": -1.0, "end": 7.0, "text": "before the beginning" },
            { "start": 8.0, "end": 9.0 },
            { "start": 9.0, "end": 10.0, "text": "c" },
        ]));
        let told: Vec<_> = cues
            .iter()
            .map(|cue| (cue.start_ms, cue.end_ms, cue.text.as_str()))
            .collect();
        assert_eq!(told, [(0, 3_000, "a"), (3_000, 4_000, "b"), (9_000, 10_000, "c")]);
        assert!(super::cues(&json!("none")).is_empty());
    }
}
