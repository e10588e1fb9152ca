//! Where an utterance begins and ends: a machine that is told window by window whether there is speech in it.

use super::WINDOW_SAMPLES;
use super::event::{DropReason, EarEvent, EndReason, SamplePosition, Utterance};
use super::history::History;
use super::pace::SpeakerPace;
use super::room::level_db;
use super::settings::{Endpointing, TurnDetection};
use crate::SPEECH_RATE_HZ;

const SAMPLES_PER_MS: u64 = (SPEECH_RATE_HZ / 1_000) as u64;
const WINDOW: u64 = WINDOW_SAMPLES as u64;

/// Speech begins when this many of the last windows are speech: a click fills two or three windows, a syllable six.
const ONSET: Quorum = Quorum { votes: 5, of: 7 };
/// While a reply plays, when this many are: a false start stops it in mid-word, and for nothing.
const ONSET_IN_REPLY: Quorum = Quorum { votes: 6, of: 9 };
/// It goes on after a pause when this many are: less, because it was likely to.
const RESUMPTION: Quorum = Quorum { votes: 3, of: 5 };
/// A window counts as speech within an utterance only if this many are: one alone is a mistake of the detector.
const CONTINUATION: Quorum = Quorum { votes: 2, of: 4 };
/// A silence shorter than this is part of a word: the closure before a "p" or a "t".
const HANGOVER: u64 = 160 * SAMPLES_PER_MS;
/// How much is kept after the last window that is speech: soft endings.
const POST_ROLL: u64 = 240 * SAMPLES_PER_MS;
/// Speech that begins so soon after an end shows that it was none: nobody can have heard an answer yet.
const CUT_GAP_MAX: u64 = 1_200 * SAMPLES_PER_MS;
/// An utterance that is too long is cut at its quietest place within this much.
const CUT_SEARCH: u64 = 1_000 * SAMPLES_PER_MS;
/// How much is kept for a commit while nothing was heard yet: words too soft for the detector.
const MANUAL_LOOK_BACK: u64 = 5_000 * SAMPLES_PER_MS;
/// How much more than the pre-roll is kept before an utterance that begins while a reply plays: its soft beginning may have
/// been taken for the reply.
const PRE_ROLL_IN_REPLY: u64 = 240 * SAMPLES_PER_MS;
/// And how much more after one that ends while a reply plays, for its soft ending.
const POST_ROLL_IN_REPLY: u64 = 160 * SAMPLES_PER_MS;
/// An utterance has speech in at least this share of its windows, in percent.
const SPEECH_SHARE_PERCENT_MIN: u64 = 35;

/// What was heard in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// No speech.
    Nothing,
    /// Speech, but perhaps only that of the reply that is playing. It makes no utterance unless one is asked for.
    PerhapsReply,
    /// Somebody speaks.
    Speech,
}

/// So many of so many windows, at most 32.
#[derive(Clone, Copy)]
struct Quorum {
    votes: u32,
    of: u32,
}

/// Finds utterances, and holds their samples.
pub(super) struct Endpointer {
    turn_detection: TurnDetection,
    settings: Endpointing,
    pace: SpeakerPace,
    state: State,
    history: History,
    is_reply_playing: bool,
    /// What the detector said of the last windows, the newest in the lowest bit.
    votes: u32,
    /// The place after the last whole window.
    heard_to: u64,
    /// The place after the last window that was speech, whether or not it became an utterance.
    last_speech: u64,
    /// The real end of the last utterance that silence ended.
    last_end: Option<u64>,
}

enum State {
    /// Nobody speaks.
    Idle,
    /// Somebody speaks, or has been silent for less than the hangover.
    Speaking(Speech),
    /// Somebody spoke, and may go on.
    Paused(Speech),
}

/// What is known of an utterance under way.
#[derive(Clone, Copy)]
struct Speech {
    /// From where on its samples are told, the pre-roll included.
    pcm_from: u64,
    began_at: u64,
    /// After the last window that is speech.
    ended_at: u64,
    windows_spoken: u64,
    /// How long all its pauses took together.
    paused: u64,
    longest_pause: u64,
}

impl Quorum {
    fn is_reached(self, votes: u32) -> bool {
        self.mask(votes).count_ones() >= self.votes
    }

    /// How many windows ago the oldest vote was cast, the newest window being 1.
    fn oldest_vote(self, votes: u32) -> u64 {
        u64::from(u32::BITS - self.mask(votes).leading_zeros())
    }

    fn mask(self, votes: u32) -> u32 {
        votes & ((1 << self.of) - 1)
    }
}

impl Endpointer {
    /// A machine at the start of a stream. The settings have been checked.
    pub(super) fn new(turn_detection: TurnDetection, settings: Endpointing, pace: SpeakerPace) -> Self {
        Self {
            turn_detection,
            settings,
            pace,
            state: State::Idle,
            history: History::default(),
            is_reply_playing: false,
            votes: 0,
            heard_to: 0,
            last_speech: 0,
            last_end: None,
        }
    }

    pub(super) fn pace(&self) -> &SpeakerPace {
        &self.pace
    }

    /// Whether nobody speaks, as far as is known.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Asks for more before an utterance begins while a reply plays.
    pub(super) fn set_reply_playing(&mut self, is_reply_playing: bool) {
        self.is_reply_playing = is_reply_playing;
    }

    /// The samples of the utterance under way, and the place of the first one.
    pub(super) fn speech_so_far(&self) -> Option<(SamplePosition, &[i16])> {
        match &self.state {
            State::Idle => None,
            State::Speaking(speech) | State::Paused(speech) => {
                let pcm = self.history.since(speech.pcm_from);
                Some((SamplePosition::new(speech.pcm_from), pcm))
            }
        }
    }

    /// Hears the next window, and what is in it.
    pub(super) fn hear(&mut self, window: &[i16; WINDOW_SAMPLES], heard: Heard, events: &mut Vec<EarEvent>) {
        let is_speech = heard == Heard::Speech;
        self.history.push(window);
        self.heard_to = self.history.end();
        self.votes = self.votes << 1 | u32::from(is_speech);
        if heard != Heard::Nothing {
            self.last_speech = self.heard_to;
        }
        match self.state {
            State::Idle => self.hear_idle(events),
            State::Speaking(speech) => self.hear_speaking(speech, is_speech, events),
            State::Paused(speech) => self.hear_paused(speech, events),
        }
    }

    /// Ends the utterance under way after `tail`, which is less than a window.
    pub(super) fn commit(&mut self, tail: &[i16], events: &mut Vec<EarEvent>) {
        self.take_tail(tail);
        let (at, from) = (self.heard_to, self.history.from());
        match self.state {
            State::Speaking(speech) | State::Paused(speech) => {
                self.tell(speech, at, EndReason::Committed, events);
                self.pace.observe(to_ms(speech.longest_pause));
            }
            State::Idle if self.last_speech > from => {
                self.tell(Speech::unnoticed(from, at), at, EndReason::Committed, events);
            }
            State::Idle => events.push(self.dropped(from, at, DropReason::NothingHeard)),
        }
        self.forget();
    }

    /// Forgets what was heard so far, `tail` included, which is less than a window.
    pub(super) fn discard(&mut self, tail: &[i16], events: &mut Vec<EarEvent>) {
        self.take_tail(tail);
        match self.state {
            State::Speaking(speech) | State::Paused(speech) => {
                events.push(self.dropped(speech.began_at, speech.ended_at, DropReason::Discarded));
            }
            State::Idle => {}
        }
        self.forget();
    }

    fn hear_idle(&mut self, events: &mut Vec<EarEvent>) {
        let onset = if self.is_reply_playing {
            ONSET_IN_REPLY
        } else {
            ONSET
        };
        if !onset.is_reached(self.votes) {
            let wanted = match self.turn_detection {
                TurnDetection::ServerVad => self.pre_roll() + u64::from(onset.of) * WINDOW,
                TurnDetection::Manual => MANUAL_LOOK_BACK,
            };
            self.history.keep_last(wanted);
            return;
        }
        let began_at = self.oldest_vote(onset).max(self.history.from());
        if let Some(gap) = self.last_end.take().map(|end| began_at.saturating_sub(end))
            && gap <= CUT_GAP_MAX
        {
            self.pace.observe_cut(to_ms(gap));
        }
        self.start(
            Speech {
                pcm_from: began_at.saturating_sub(self.pre_roll()).max(self.history.from()),
                began_at,
                ended_at: self.heard_to,
                windows_spoken: u64::from(onset.mask(self.votes).count_ones()),
                paused: 0,
                longest_pause: 0,
            },
            events,
        );
    }

    fn start(&mut self, speech: Speech, events: &mut Vec<EarEvent>) {
        self.state = State::Speaking(speech);
        events.push(EarEvent::SpeechStarted {
            at: SamplePosition::new(self.heard_to),
            began_at: SamplePosition::new(speech.began_at),
        });
    }

    fn hear_speaking(&mut self, mut speech: Speech, is_speech: bool, events: &mut Vec<EarEvent>) {
        if is_speech && CONTINUATION.is_reached(self.votes) {
            speech.ended_at = self.heard_to;
            speech.windows_spoken += 1;
        }
        if self.is_too_long(speech) {
            self.cut(speech, events);
        } else if self.heard_to - speech.ended_at >= HANGOVER {
            self.state = State::Paused(speech);
            events.push(EarEvent::SpeechPaused {
                at: SamplePosition::new(self.heard_to),
                ended_at: SamplePosition::new(speech.ended_at),
            });
        } else {
            self.state = State::Speaking(speech);
        }
    }

    fn hear_paused(&mut self, mut speech: Speech, events: &mut Vec<EarEvent>) {
        if RESUMPTION.is_reached(self.votes) {
            let resumed_at = self.oldest_vote(RESUMPTION).max(speech.ended_at);
            let pause = resumed_at - speech.ended_at;
            speech.paused += pause;
            speech.longest_pause = speech.longest_pause.max(pause);
            speech.windows_spoken += u64::from(RESUMPTION.mask(self.votes).count_ones());
            speech.ended_at = self.heard_to;
            self.state = State::Speaking(speech);
            events.push(EarEvent::SpeechResumed {
                at: SamplePosition::new(self.heard_to),
                resumed_at: SamplePosition::new(resumed_at),
            });
        } else if self.is_over(speech) {
            self.end(speech, EndReason::Silence, events);
        } else if self.is_too_long(speech) {
            self.end(speech, EndReason::TooLong, events);
        }
    }

    fn is_over(&self, speech: Speech) -> bool {
        match self.turn_detection {
            TurnDetection::ServerVad => self.heard_to - speech.ended_at >= self.delay_after(speech),
            TurnDetection::Manual => false,
        }
    }

    fn is_too_long(&self, speech: Speech) -> bool {
        self.heard_to - speech.pcm_from >= u64::from(self.settings.max_utterance_ms) * SAMPLES_PER_MS
    }

    /// How long a silence ends this utterance. What is likely to be none holds the output up no longer than it must.
    fn delay_after(&self, speech: Speech) -> u64 {
        let settings = &self.settings;
        let delay_ms = match self.doubt(speech) {
            Some(_) => settings.delay_floor_ms,
            None => self
                .pace
                .delay_ms(settings.delay_initial_ms)
                .max(SpeakerPace::delay_after_ms(to_ms(speech.longest_pause))),
        };
        u64::from(delay_ms.clamp(settings.delay_floor_ms, settings.delay_ceiling_ms)) * SAMPLES_PER_MS
    }

    /// Why this is no utterance, if it is none.
    fn doubt(&self, speech: Speech) -> Option<DropReason> {
        let active_windows = (speech.ended_at - speech.began_at - speech.paused) / WINDOW;
        if speech.windows_spoken * WINDOW < u64::from(self.settings.min_speech_ms) * SAMPLES_PER_MS {
            Some(DropReason::TooShort)
        } else if speech.windows_spoken * 100 < active_windows * SPEECH_SHARE_PERCENT_MIN {
            Some(DropReason::Noise)
        } else {
            None
        }
    }

    /// Ends an utterance in a silence.
    fn end(&mut self, speech: Speech, reason: EndReason, events: &mut Vec<EarEvent>) {
        self.state = State::Idle;
        if let Some(reason) = self.doubt(speech) {
            events.push(self.dropped(speech.began_at, speech.ended_at, reason));
            return;
        }
        let pcm_to = (speech.ended_at + self.post_roll()).min(self.heard_to);
        self.tell(speech, pcm_to, reason, events);
        if reason == EndReason::Silence {
            self.pace.observe(to_ms(speech.longest_pause));
            self.last_end = Some(speech.ended_at);
        }
    }

    /// Ends an utterance in mid-speech, at the quietest place; what comes after is the next one.
    fn cut(&mut self, speech: Speech, events: &mut Vec<EarEvent>) {
        let cut_at = self.quietest_place_since(self.heard_to - CUT_SEARCH);
        let told = Speech {
            ended_at: speech.ended_at.min(cut_at),
            ..speech
        };
        self.tell(told, cut_at, EndReason::TooLong, events);
        let ended_at = speech.ended_at.max(cut_at);
        self.start(
            Speech {
                pcm_from: cut_at,
                began_at: cut_at,
                ended_at,
                windows_spoken: (ended_at - cut_at) / WINDOW,
                paused: 0,
                longest_pause: 0,
            },
            events,
        );
    }

    fn quietest_place_since(&self, place: u64) -> u64 {
        let (windows, _) = self.history.since(place).as_chunks::<WINDOW_SAMPLES>();
        let levels_db = windows.iter().map(|window| level_db(window));
        let quietest = levels_db
            .zip(0_u64..)
            .min_by(|(one, _), (other, _)| one.total_cmp(other));
        place + quietest.map_or(0, |(_, index)| index * WINDOW + WINDOW / 2)
    }

    /// Tells an utterance; its samples, and what is before, are gone afterwards.
    fn tell(&mut self, speech: Speech, pcm_to: u64, reason: EndReason, events: &mut Vec<EarEvent>) {
        events.push(EarEvent::Utterance(Utterance {
            pcm: self.history.take(speech.pcm_from, pcm_to),
            pcm_from: SamplePosition::new(speech.pcm_from),
            began_at: SamplePosition::new(speech.began_at),
            ended_at: SamplePosition::new(speech.ended_at),
            at: SamplePosition::new(self.heard_to),
            reason,
        }));
    }

    fn dropped(&self, began_at: u64, ended_at: u64, reason: DropReason) -> EarEvent {
        EarEvent::Dropped {
            at: SamplePosition::new(self.heard_to),
            began_at: SamplePosition::new(began_at),
            ended_at: SamplePosition::new(ended_at),
            reason,
        }
    }

    fn take_tail(&mut self, tail: &[i16]) {
        self.history.push(tail);
        self.heard_to = self.history.end();
    }

    /// Begins anew from here on, as if the stream did.
    fn forget(&mut self) {
        self.state = State::Idle;
        self.history.drop_before(self.heard_to);
        self.votes = 0;
        self.last_end = None;
    }

    fn pre_roll(&self) -> u64 {
        let in_reply = if self.is_reply_playing {
            PRE_ROLL_IN_REPLY
        } else {
            0
        };
        u64::from(self.settings.pre_roll_ms) * SAMPLES_PER_MS + in_reply
    }

    fn post_roll(&self) -> u64 {
        let in_reply = if self.is_reply_playing {
            POST_ROLL_IN_REPLY
        } else {
            0
        };
        POST_ROLL + in_reply
    }

    /// Where the oldest of the windows that reached a quorum began.
    fn oldest_vote(&self, quorum: Quorum) -> u64 {
        self.heard_to - quorum.oldest_vote(self.votes) * WINDOW
    }
}

impl Speech {
    /// What a commit finds where no speech was noticed, but some window was.
    fn unnoticed(from: u64, to: u64) -> Self {
        Self {
            pcm_from: from,
            began_at: from,
            ended_at: to,
            windows_spoken: 0,
            paused: 0,
            longest_pause: 0,
        }
    }
}

fn to_ms(samples: u64) -> u32 {
    u32::try_from(samples / SAMPLES_PER_MS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 windows, and 31: less and more than the pauses below.
    const FLOOR_MS: u32 = 400;
    const CEILING_MS: u32 = 496;

    fn endpointer(turn_detection: TurnDetection) -> Endpointer {
        let settings = Endpointing {
            delay_floor_ms: FLOOR_MS,
            delay_initial_ms: CEILING_MS,
            delay_ceiling_ms: CEILING_MS,
            max_utterance_ms: 5_000,
            ..Endpointing::default()
        };
        Endpointer::new(turn_detection, settings, SpeakerPace::default())
    }

    /// What is told of windows that are speech (`#`), perhaps only the reply (`?`), or no speech, in words: what, and at which window it was certain.
    fn told(turn_detection: TurnDetection, windows: &str) -> Vec<String> {
        let mut endpointer = endpointer(turn_detection);
        let mut events = Vec::new();
        hear(&mut endpointer, windows, &mut events);
        in_words(&events)
    }

    fn hear(endpointer: &mut Endpointer, windows: &str, events: &mut Vec<EarEvent>) {
        for window in windows.chars() {
            let heard = match window {
                '#' => Heard::Speech,
                '?' => Heard::PerhapsReply,
                _ => Heard::Nothing,
            };
            endpointer.hear(&[0; WINDOW_SAMPLES], heard, events);
        }
    }

    fn in_words(events: &[EarEvent]) -> Vec<String> {
        let window = |position: SamplePosition| position.samples() / WINDOW;
        let told = |event: &EarEvent| match event {
            EarEvent::SpeechStarted { at, began_at } => {
                format!("{} started at {}", window(*at), window(*began_at))
            }
            EarEvent::SpeechPaused { at, ended_at } => {
                format!("{} paused at {}", window(*at), window(*ended_at))
            }
            EarEvent::SpeechResumed { at, resumed_at } => {
                format!("{} resumed at {}", window(*at), window(*resumed_at))
            }
            EarEvent::Dropped { at, reason, .. } => format!("{} {reason:?}", window(*at)),
            EarEvent::Utterance(utterance) => {
                let (at, ended_at) = (window(utterance.at), window(utterance.ended_at));
                format!("{at} {:?} since {ended_at}", utterance.reason)
            }
        };
        events.iter().map(told).collect()
    }

    #[test]
    fn windows_become_utterances_by_these_rules() {
        let word = "#".repeat(20);
        let long = ".".repeat(40);
        for (what, windows, expected) in [
            ("four windows are a click", format!("####{long}"), vec![]),
            ("five of eight are none", format!("##.#.#.#{long}"), vec![]),
            (
                "five of seven are speech, but too little; it is dropped as soon as that may be",
                format!("...#.#.###{long}"),
                vec!["10 started at 3", "20 paused at 10", "35 TooShort"],
            ),
            (
                "a word",
                format!("...{word}{long}"),
                vec!["8 started at 3", "33 paused at 23", "54 Silence since 23"],
            ),
            (
                "a gap shorter than the hangover is in the word",
                format!("{word}........{word}{long}"),
                vec!["5 started at 0", "58 paused at 48", "79 Silence since 48"],
            ),
            (
                "a pause, and on it goes",
                format!("{word}{}{word}{long}", ".".repeat(24)),
                vec![
                    "5 started at 0",
                    "30 paused at 20",
                    "47 resumed at 44",
                    "74 paused at 64",
                    "95 Silence since 64",
                ],
            ),
            (
                "lone windows in a pause do not prolong it",
                format!("{word}..........#.....#....#.#{long}"),
                vec!["5 started at 0", "30 paused at 20", "51 Silence since 20"],
            ),
            (
                "what is mostly no speech is noise",
                format!("#####{}{long}", "....##".repeat(8)),
                vec!["5 started at 0", "63 paused at 53", "78 Noise"],
            ),
        ] {
            assert_eq!(
                told(TurnDetection::ServerVad, &windows),
                expected,
                "{what}: {windows}"
            );
        }
    }

    #[test]
    fn in_a_reply_more_is_asked_of_a_beginning_and_what_may_be_the_reply_is_none() {
        let long = ".".repeat(40);
        for (what, windows, expected) in [
            ("five of seven are too few", format!("#####{long}"), vec![]),
            (
                "six of nine are speech",
                format!("..##.#.###{long}"),
                vec!["10 started at 2", "20 paused at 10", "35 TooShort"],
            ),
            ("the reply is none", format!("{}{long}", "?".repeat(100)), vec![]),
            (
                "nor does it prolong an utterance",
                format!("{}{}", "#".repeat(20), "?".repeat(40)),
                vec!["6 started at 0", "30 paused at 20", "51 Silence since 20"],
            ),
        ] {
            let mut endpointer = endpointer(TurnDetection::ServerVad);
            endpointer.set_reply_playing(true);
            let mut events = Vec::new();
            hear(&mut endpointer, &windows, &mut events);
            assert_eq!(in_words(&events), expected, "{what}: {windows}");
        }
    }

    #[test]
    fn a_commit_believes_that_what_may_have_been_the_reply_was_somebody() {
        for (windows, expected) in [
            ("...???...", "9 Committed since 9"),
            (".........", "9 NothingHeard"),
        ] {
            let mut endpointer = endpointer(TurnDetection::Manual);
            endpointer.set_reply_playing(true);
            let mut events = Vec::new();
            hear(&mut endpointer, windows, &mut events);
            endpointer.commit(&[], &mut events);
            assert_eq!(in_words(&events), [expected]);
        }
    }

    #[test]
    fn by_hand_a_silence_ends_only_what_is_too_long() {
        let windows = format!("{}{}", "#".repeat(20), ".".repeat(400));
        // 5 s are 312.5 windows.
        let expected = ["5 started at 0", "30 paused at 20", "313 TooLong since 20"];
        assert_eq!(told(TurnDetection::Manual, &windows), expected);
    }

    #[test]
    fn while_nobody_speaks_little_is_held() {
        for (turn_detection, samples_max) in
            [(TurnDetection::ServerVad, 8_500), (TurnDetection::Manual, 82_000)]
        {
            let mut endpointer = endpointer(turn_detection);
            for _ in 0..2_000 {
                endpointer.hear(&[0; WINDOW_SAMPLES], Heard::Nothing, &mut Vec::new());
                assert!(endpointer.history.since(0).len() <= samples_max);
            }
        }
    }
}
