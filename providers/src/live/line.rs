//! What lies between those who speak and listen and the task that talks to the provider: a bounded queue each way.
//!
//! Speech waits here up to a limit, beyond which its utterance fails and what waits of it is thrown away. Words wait here
//! as the last partial and the end of each utterance, of which there is a limit, too. So a provider that does not read,
//! or a listener that does not, costs utterances and never memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use greenroom_audio::SPEECH_RATE_HZ;
use greenroom_protocol::CallId;
use greenroom_session::ports::{CallFailure, LiveAudio, LiveTranscription, LiveTranscriptionEvent};
use tokio::sync::Notify;

/// Speech that may wait to be sent: ten seconds, 320 kB.
const SAMPLES_WAITING_MAX: usize = 10 * SPEECH_RATE_HZ as usize;
/// Utterances that may have been begun without their end having been heard of. Whoever speaks waits for far fewer.
const UTTERANCES_MAX: usize = 16;

/// What the task is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// An utterance begins.
    Begin(CallId),
    /// More of it.
    Speech(Vec<i16>),
    /// It is complete.
    Commit,
    /// It was none.
    Discard,
    /// More of it came than may wait, and what waited is gone.
    Overflow,
    /// More utterances were begun than may be; the stream is of no use to anybody.
    Overrun,
    /// Nobody speaks, or nobody listens, any more.
    HangUp,
}

/// One stream's queues.
#[derive(Default)]
pub(super) struct Line {
    queues: Mutex<Queues>,
    /// There is something to do.
    work: Notify,
    /// There is something to tell.
    news: Notify,
}

#[derive(Default)]
struct Queues {
    commands: VecDeque<Command>,
    samples_waiting: usize,
    speaking: Speaking,
    /// Utterances whose end has not been taken by the listener.
    utterances: usize,
    events: VecDeque<LiveTranscriptionEvent>,
    hung_up: bool,
    over: Option<CallFailure>,
}

/// How the utterance stands that the speaker has open.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Speaking {
    #[default]
    Silent,
    Aloud,
    /// It has failed here.
    Overflown,
}

/// The speaker's half.
struct Microphone(Ends);

/// A half of the stream: dropping it ends the whole.
struct Ends(Arc<Line>);

/// Both halves of a stream.
pub(super) fn halves(line: &Arc<Line>) -> LiveTranscription {
    LiveTranscription {
        audio: Box::new(Microphone(Ends(Arc::clone(line)))),
        events: events(Ends(Arc::clone(line))),
    }
}

fn events(ends: Ends) -> BoxStream<'static, LiveTranscriptionEvent> {
    let told = stream::unfold(ends, |ends| async move {
        let event = ends.0.next_event().await?;
        Some((event, ends))
    });
    told.boxed()
}

impl Line {
    /// What is to be done next, in the order in which it was asked for. Safe to be cancelled.
    pub(super) async fn next_command(&self) -> Command {
        loop {
            let work = self.work.notified();
            if let Some(command) = self.queues().take_command() {
                return command;
            }
            work.await;
        }
    }

    /// Tells these events, the last partial of each utterance alone.
    pub(super) fn tell(&self, events: Vec<LiveTranscriptionEvent>) {
        let mut queues = self.queues();
        for event in events {
            queues.tell(event);
        }
        self.news.notify_one();
    }

    /// The stream has ended by this; whatever was begun and has not been taken up fails by it, too.
    pub(super) fn end(&self, failure: CallFailure) {
        let mut queues = self.queues();
        let commands = std::mem::take(&mut queues.commands);
        queues.samples_waiting = 0;
        for command in commands {
            if let Command::Begin(call_id) = command {
                queues.fail(call_id, &failure);
            }
        }
        queues.over = Some(failure);
        self.news.notify_one();
    }

    async fn next_event(&self) -> Option<LiveTranscriptionEvent> {
        loop {
            let news = self.news.notified();
            {
                let mut queues = self.queues();
                if let Some(event) = queues.take_event() {
                    return Some(event);
                }
                if queues.over.is_some() {
                    return None;
                }
            }
            news.await;
        }
    }

    fn hang_up(&self) {
        self.queues().hung_up = true;
        self.work.notify_one();
    }

    fn ask(&self, ask: impl FnOnce(&mut Queues)) {
        ask(&mut self.queues());
        self.work.notify_one();
    }

    /// A panic while it was locked leaves queues that are at worst a command off.
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn begin(&mut self, call_id: CallId) {
        if self.hung_up {
            // Nobody would take its end.
            return;
        }
        self.discard();
        self.speaking = Speaking::Aloud;
        self.utterances += 1;
        if let Some(failure) = self.over.clone() {
            self.fail(call_id, &failure);
            return;
        }
        self.commands.push_back(Command::Begin(call_id));
        if self.utterances > UTTERANCES_MAX {
            self.commands.push_back(Command::Overrun);
        }
    }

    fn append(&mut self, speech: &[i16]) {
        if self.speaking != Speaking::Aloud || self.over.is_some() {
            return;
        }
        self.samples_waiting += speech.len();
        if self.samples_waiting > SAMPLES_WAITING_MAX {
            self.samples_waiting -= speech.len();
            self.forget_speech();
            self.commands.push_back(Command::Overflow);
            self.speaking = Speaking::Overflown;
        } else if let Some(Command::Speech(waiting)) = self.commands.back_mut() {
            waiting.extend_from_slice(speech);
        } else {
            self.commands.push_back(Command::Speech(speech.to_vec()));
        }
    }

    fn commit(&mut self) {
        self.close(Command::Commit);
    }

    fn discard(&mut self) {
        if self.speaking == Speaking::Aloud {
            self.forget_speech();
        }
        self.close(Command::Discard);
    }

    /// Ends the open utterance, if there is one that has not failed.
    fn close(&mut self, by: Command) {
        if self.speaking == Speaking::Aloud && self.over.is_none() {
            self.commands.push_back(by);
        }
        self.speaking = Speaking::Silent;
    }

    /// Throws away what waits of the open utterance.
    fn forget_speech(&mut self) {
        if let Some(Command::Speech(waiting)) = self.commands.back() {
            self.samples_waiting -= waiting.len();
            self.commands.pop_back();
        }
    }

    fn take_command(&mut self) -> Option<Command> {
        if self.hung_up {
            return Some(Command::HangUp);
        }
        let command = self.commands.pop_front();
        if let Some(Command::Speech(speech)) = &command {
            self.samples_waiting -= speech.len();
        }
        command
    }

    fn fail(&mut self, call_id: CallId, failure: &CallFailure) {
        self.tell(LiveTranscriptionEvent::Failed {
            call_id,
            failure: failure.clone(),
        });
    }

    fn tell(&mut self, event: LiveTranscriptionEvent) {
        if let LiveTranscriptionEvent::Partial { call_id: told, .. } = &event {
            self.events.retain(|waiting| {
                !matches!(waiting, LiveTranscriptionEvent::Partial { call_id, .. } if call_id == told)
            });
        }
        self.events.push_back(event);
    }

    fn take_event(&mut self) -> Option<LiveTranscriptionEvent> {
        let event = self.events.pop_front()?;
        match event {
            LiveTranscriptionEvent::Partial { .. } => {}
            LiveTranscriptionEvent::Final { .. } | LiveTranscriptionEvent::Failed { .. } => {
                self.utterances = self.utterances.saturating_sub(1);
            }
        }
        Some(event)
    }
}

impl LiveAudio for Microphone {
    fn begin(&mut self, call_id: CallId) {
        self.0.0.ask(|queues| queues.begin(call_id));
        // Where the stream is over, it is the listener who hears of it.
        self.0.0.news.notify_one();
    }

    fn append(&mut self, pcm: &[i16]) {
        self.0.0.ask(|queues| queues.append(pcm));
    }

    fn commit(&mut self) {
        self.0.0.ask(Queues::commit);
    }

    fn discard(&mut self) {
        self.0.0.ask(Queues::discard);
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.hang_up();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use greenroom_protocol::ErrorCode;

    use super::*;

    fn id(number: u8) -> CallId {
        CallId::new(ulid::Ulid(number.into()))
    }

    fn failure() -> CallFailure {
        CallFailure {
            code: ErrorCode::SttFailed,
            retryable: true,
            retry_after: None,
            reason: "it is over".to_owned(),
            receipt: None,
        }
    }

    fn partial(number: u8, text: &str) -> LiveTranscriptionEvent {
        LiveTranscriptionEvent::Partial {
            call_id: id(number),
            text: text.to_owned(),
        }
    }

    fn failed(number: u8) -> LiveTranscriptionEvent {
        LiveTranscriptionEvent::Failed {
            call_id: id(number),
            failure: failure(),
        }
    }

    /// Both halves, and what the task would see.
    fn line() -> (Arc<Line>, LiveTranscription) {
        let line = Arc::new(Line::default());
        let halves = halves(&line);
        (line, halves)
    }

    /// All that waits. A hang-up never ceases to be what is to be done, so it is the last.
    fn commands(line: &Line) -> Vec<Command> {
        let waiting = std::iter::from_fn(|| line.next_command().now_or_never());
        let mut is_hung_up = false;
        waiting
            .take_while(|command| !std::mem::replace(&mut is_hung_up, *command == Command::HangUp))
            .collect()
    }

    #[test]
    fn what_is_asked_for_comes_in_its_order_and_speech_in_one_piece() {
        let (line, mut halves) = line();
        halves.audio.append(&[9]);
        halves.audio.commit();
        halves.audio.begin(id(1));
        halves.audio.append(&[1, 2]);
        halves.audio.append(&[3]);
        halves.audio.commit();
        halves.audio.append(&[9]);
        halves.audio.discard();
        halves.audio.begin(id(2));
        halves.audio.append(&[4]);
        halves.audio.begin(id(3));
        halves.audio.append(&[5]);
        assert_eq!(
            commands(&line),
            [
                Command::Begin(id(1)),
                Command::Speech(vec![1, 2, 3]),
                Command::Commit,
                Command::Begin(id(2)),
                // What waited of it need not be sent any more.
                Command::Discard,
                Command::Begin(id(3)),
                Command::Speech(vec![5]),
            ]
        );
    }

    #[test]
    fn speech_beyond_the_limit_costs_its_utterance_and_no_other() {
        let (line, mut halves) = line();
        let second = vec![7; SPEECH_RATE_HZ as usize];
        halves.audio.begin(id(1));
        halves.audio.append(&second);
        halves.audio.commit();
        halves.audio.begin(id(2));
        for _ in 0..20 {
            halves.audio.append(&second);
        }
        halves.audio.commit();
        halves.audio.begin(id(3));
        halves.audio.append(&second);
        let commands = commands(&line);
        let expected = [
            Command::Begin(id(1)),
            Command::Speech(second.clone()),
            Command::Commit,
            Command::Begin(id(2)),
            Command::Overflow,
            Command::Begin(id(3)),
            Command::Speech(second),
        ];
        assert!(commands == expected, "{} commands", commands.len());
        assert_eq!(line.queues().samples_waiting, 0);
    }

    #[test]
    fn a_listener_who_does_not_listen_finds_the_last_words_and_the_ends() {
        let (line, mut halves) = line();
        for number in 1..=3 {
            line.tell(vec![partial(1, &number.to_string()), partial(2, "b")]);
        }
        line.tell(vec![failed(1)]);
        line.end(failure());
        let mut told = Vec::new();
        while let Some(Some(event)) = halves.events.next().now_or_never() {
            told.push(event);
        }
        assert_eq!(told, [partial(1, "3"), partial(2, "b"), failed(1)]);
    }

    #[test]
    fn more_utterances_than_anybody_waits_for_end_the_stream() {
        let (line, mut halves) = line();
        for number in 0..=16 {
            halves.audio.begin(id(number));
        }
        assert_eq!(commands(&line).last(), Some(&Command::Overrun));
    }

    #[test]
    fn whatever_was_begun_has_an_end_when_the_stream_has() {
        let (line, mut halves) = line();
        halves.audio.begin(id(1));
        halves.audio.append(&[1]);
        line.end(failure());
        // Between the end and the listener's hearing of it.
        halves.audio.begin(id(2));
        halves.audio.append(&[1]);
        halves.audio.commit();
        let told: Vec<_> = halves.events.collect().now_or_never().unwrap();
        assert_eq!(told, [failed(1), failed(2)]);
    }

    #[test]
    fn dropping_either_half_hangs_up() {
        let (line, halves) = line();
        assert_eq!(line.next_command().now_or_never(), None);
        drop(halves.audio);
        assert_eq!(commands(&line), [Command::HangUp]);
        let (line, halves) = self::line();
        drop(halves.events);
        assert_eq!(commands(&line), [Command::HangUp]);
    }

    #[test]
    fn nothing_is_kept_for_a_listener_who_has_gone() {
        let (line, mut halves) = line();
        drop(halves.events);
        for number in 0..40 {
            halves.audio.begin(id(number));
            halves.audio.append(&[1]);
            halves.audio.commit();
            if number == 20 {
                line.end(failure());
            }
        }
        let queues = line.queues();
        assert_eq!((queues.commands.len(), queues.samples_waiting), (0, 0));
        assert!(queues.events.is_empty());
    }
}
