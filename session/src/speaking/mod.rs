//! The rules of speaking and listening, on text alone: what of a reply is said in one go, how much of it was heard, and
//! whether what somebody says over it asks for the floor.

mod cutter;
mod ending;
mod heard;
mod listening;
mod pace;
mod question;
mod speakable;

pub use cutter::{SENTENCE_CHARS_MAX, Sentence, SentenceCutter};
pub use heard::{SpokenPart, heard_prefix};
pub use listening::{is_backchannel, is_surely_a_turn};
pub use pace::SpeakingPace;
pub use question::question_end;
pub(crate) use speakable::is_pictograph;
