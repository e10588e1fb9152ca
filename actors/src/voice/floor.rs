//! Who of a session's connections holds the microphone, and whose voice answers.
//!
//! Lines say what they want and see what became of it: the newest state, never a queue of news. Most sessions have one
//! line, which holds the microphone and speaks. Where two share the work (a microphone here, a loudspeaker there), the one
//! that hears somebody speak silences the other through here.

use tokio::sync::watch;

/// One line, among all of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LineId(pub(crate) u64);

/// The floor of one session.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    state: watch::Sender<FloorState>,
}

/// Who has what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FloorState {
    holder: Option<LineId>,
    /// Who asked for output, the last one last.
    outputs: Vec<LineId>,
    /// Whether the holder hears somebody speak.
    hushed: bool,
    /// How many replies the holder cut off.
    cut_offs: u64,
    /// Whether whoever speaks is amid a reply whose question was not heard, as they said last.
    mid_reply: bool,
    /// The line that is to panic.
    #[cfg(debug_assertions)]
    provoked: Option<LineId>,
}

impl FloorState {
    /// The line that holds the microphone.
    pub(crate) fn holder(&self) -> Option<LineId> {
        self.holder
    }

    /// The line that replies are spoken on: the holder if it asked for output, else who asked for it last.
    pub(crate) fn speaker(&self) -> Option<LineId> {
        let holder = self.holder.filter(|holder| self.outputs.contains(holder));
        holder.or_else(|| self.outputs.last().copied())
    }

    /// Whether the holder hears somebody speak.
    pub(crate) fn is_hushed(&self) -> bool {
        self.hushed
    }

    /// How many replies the holder has cut off; what counts is whether it changed.
    pub(crate) fn cut_offs(&self) -> u64 {
        self.cut_offs
    }

    /// Whether whoever speaks is amid a reply whose question was not heard.
    pub(crate) fn is_mid_reply(&self) -> bool {
        self.mid_reply
    }

    /// The line that is to panic, because somebody asked for that.
    #[cfg(debug_assertions)]
    pub(crate) fn provoked(&self) -> Option<LineId> {
        self.provoked
    }

    /// What another line was amid is over.
    fn forget_reply_unless_of(&mut self, speaker: Option<LineId>) {
        self.mid_reply &= self.speaker() == speaker;
    }
}

impl Floor {
    /// Makes the line panic that holds the microphone, or else the one that speaks. Whether there is one.
    #[cfg(debug_assertions)]
    pub(crate) fn provoke(&self) -> bool {
        self.state.send_if_modified(|state| {
            state.provoked = state.holder().or_else(|| state.speaker());
            state.provoked.is_some()
        })
    }

    /// Where a line sees what changes.
    pub(crate) fn watch(&self) -> watch::Receiver<FloorState> {
        self.state.subscribe()
    }

    /// Gives the microphone to a line, whoever held it, and says whether the line wants to hear replies.
    pub(crate) fn take(&self, line: LineId, output: bool) {
        self.state.send_modify(|state| {
            let speaker = state.speaker();
            if state.holder != Some(line) {
                state.hushed = false;
            }
            state.holder = Some(line);
            state.outputs.retain(|other| *other != line);
            if output {
                state.outputs.push(line);
            }
            state.forget_reply_unless_of(speaker);
        });
    }

    /// Takes the microphone from a line, if it holds it. Its output stays.
    pub(crate) fn release(&self, line: LineId) {
        self.change(|state| {
            if state.holder == Some(line) {
                (state.holder, state.hushed) = (None, false);
            }
        });
    }

    /// Forgets a line.
    pub(crate) fn leave(&self, line: LineId) {
        self.release(line);
        self.change(|state| state.outputs.retain(|other| *other != line));
    }

    /// Says whether the holder hears somebody speak.
    pub(crate) fn hush(&self, holder: LineId, hushed: bool) {
        self.change(|state| {
            if state.holder == Some(holder) {
                state.hushed = hushed;
            }
        });
    }

    /// Cuts off the reply that is being spoken.
    pub(crate) fn cut_off(&self, holder: LineId) {
        self.change(|state| {
            if state.holder == Some(holder) {
                state.cut_offs += 1;
            }
        });
    }

    /// Says where whoever speaks stands. Wakes nobody: it is looked at when something was understood.
    pub(crate) fn tell_mid_reply(&self, speaker: LineId, mid_reply: bool) {
        self.state.send_if_modified(|state| {
            if state.speaker() == Some(speaker) {
                state.mid_reply = mid_reply;
            }
            false
        });
    }

    /// Changes the state, and wakes the lines if that made a difference.
    fn change(&self, change: impl FnOnce(&mut FloorState)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            state.forget_reply_unless_of(before.speaker());
            *state != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LineId = LineId(1);
    const B: LineId = LineId(2);
    const C: LineId = LineId(3);

    /// Who holds the microphone, and who speaks.
    fn seen(floor: &Floor) -> (Option<LineId>, Option<LineId>) {
        let state = floor.state.borrow();
        (state.holder(), state.speaker())
    }

    #[test]
    fn the_last_who_asks_holds_the_microphone_and_speaks_if_it_can() {
        let floor = Floor::default();
        assert_eq!(seen(&floor), (None, None));
        floor.take(A, true);
        assert_eq!(seen(&floor), (Some(A), Some(A)));
        floor.take(B, false);
        assert_eq!(
            seen(&floor),
            (Some(B), Some(A)),
            "a microphone without a loudspeaker"
        );
        floor.take(C, true);
        assert_eq!(seen(&floor), (Some(C), Some(C)));
        floor.release(C);
        assert_eq!(seen(&floor), (None, Some(C)), "the output stays");
        floor.release(B);
        floor.leave(C);
        assert_eq!(seen(&floor), (None, Some(A)));
        floor.take(A, false);
        assert_eq!(seen(&floor), (Some(A), None), "text alone from now on");
        floor.leave(A);
        assert_eq!(seen(&floor), (None, None));
    }

    #[test]
    fn only_the_holder_silences_and_only_the_speaker_says_where_it_stands() {
        let floor = Floor::default();
        let mut watch = floor.watch();
        floor.take(A, true);
        floor.take(B, false);
        watch.mark_unchanged();
        floor.hush(A, true);
        floor.cut_off(A);
        floor.tell_mid_reply(B, true);
        floor.tell_mid_reply(A, true);
        assert!(!watch.has_changed().unwrap());
        assert!(floor.state.borrow().is_mid_reply());
        floor.hush(B, true);
        floor.cut_off(B);
        assert!(watch.has_changed().unwrap());
        assert!(floor.state.borrow().is_hushed());
        assert_eq!(floor.state.borrow().cut_offs(), 1);
        floor.take(A, true);
        assert!(
            !floor.state.borrow().is_hushed(),
            "who took the microphone has heard nothing yet"
        );
        floor.take(B, false);
        assert!(floor.state.borrow().is_mid_reply());
        floor.leave(A);
        assert!(
            !floor.state.borrow().is_mid_reply(),
            "whoever was amid a reply is gone, and so is the reply"
        );
    }
}
