//! How a session answers who asked it something.

use greenroom_protocol::{ErrorBody, ErrorCode, Locale};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Why there is no answer of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It was not done, for a reason.
    #[error("{}", .0.code)]
    Rejected(Box<ErrorBody>),
    /// Nobody knows whether it was done; to be asked again under the same command id.
    #[error("the answer was lost")]
    Lost,
}

impl Refused {
    /// A refusal that no session decided; in the default language, for no session's is known.
    pub(crate) fn code(code: ErrorCode) -> Self {
        Self::Rejected(Box::new(error(code, Locale::default())))
    }
}

/// An error that says when it is worth trying again, if it is.
pub(crate) fn error(code: ErrorCode, locale: Locale) -> ErrorBody {
    /// What makes a session unreachable for a moment is over within about this time, or lasts.
    const RETRY_AFTER_SECONDS: u32 = 1;
    let error = ErrorBody::new(code, locale);
    if code.retryable() {
        error.with_retry_after(RETRY_AFTER_SECONDS)
    } else {
        error
    }
}

/// What a session says to who asked.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// Here it is.
    Done(T),
    /// It was not done, for a reason.
    Rejected(Box<ErrorBody>),
    /// Nobody knows whether it was done.
    Lost,
    /// It was certainly not done, because this generation of the session is over; the next one may be asked.
    NotTaken,
}

/// Where an answer goes. It holds the place that the question takes among those that may wait.
#[derive(Debug)]
pub(crate) struct ReplyTo<T> {
    sender: oneshot::Sender<Outcome<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> ReplyTo<T> {
    pub(crate) fn new(sender: oneshot::Sender<Outcome<T>>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            sender,
            _permit: permit,
        }
    }

    /// Answers. Who asked may have gone; what it asked for is done all the same.
    pub(crate) fn send(self, outcome: Outcome<T>) {
        let _gone = self.sender.send(outcome);
    }
}
