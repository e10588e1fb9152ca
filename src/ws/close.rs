//! Why a connection ends, and the code that says so.

use axum::extract::ws::{CloseFrame, Message};
use greenroom_actors::Refused;
use greenroom_protocol::ErrorCode;
use tokio_tungstenite::tungstenite;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client went away.
    ClientLeft,
    /// The client answers no pings.
    Silent,
    /// The network failed, or the client does not speak the protocol.
    Broken,
    /// There is no such session, or it was erased just now.
    NoSession,
    /// The client takes nothing; it may resume from the last event that it saw.
    TooSlow,
    /// The server stops.
    Restarting,
    /// The session cannot be reached now.
    Overloaded,
    /// Too many frames that make no sense.
    Abuse,
    /// The session refuses the client for good.
    Refused,
    /// A frame was larger than any frame may be.
    TooLarge,
    /// A text frame was not UTF-8.
    NotUtf8,
}

impl CloseReason {
    /// The code on the wire; none if nobody is there to read it.
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::ClientLeft | Self::Silent | Self::Broken => None,
            Self::NoSession => Some(4004),
            Self::TooSlow => Some(4008),
            Self::Restarting => Some(1012),
            Self::Overloaded => Some(1013),
            Self::Abuse | Self::Refused => Some(1008),
            Self::TooLarge => Some(1009),
            Self::NotUtf8 => Some(1007),
        }
    }

    /// What the client's developer reads, and the label of the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientLeft => "client left",
            Self::Silent => "no answer to pings",
            Self::Broken => "broken",
            Self::NoSession => "no such session",
            Self::TooSlow => "too slow",
            Self::Restarting => "restarting",
            Self::Overloaded => "overloaded",
            Self::Abuse => "abuse",
            Self::Refused => "refused",
            Self::TooLarge => "frame too large",
            Self::NotUtf8 => "not UTF-8",
        }
    }

    /// The frame that ends the connection.
    pub fn message(self) -> Option<Message> {
        let code = self.code()?;
        Some(Message::Close(Some(CloseFrame {
            code,
            reason: self.name().into(),
        })))
    }

    /// Why a connection cannot begin, or go on, when the session was refused.
    pub fn of_refusal(refused: &Refused) -> Self {
        match refused {
            Refused::Rejected(error) => match error.code {
                ErrorCode::SessionNotFound | ErrorCode::SessionGone => Self::NoSession,
                ErrorCode::SysDraining => Self::Restarting,
                code if code.retryable() => Self::Overloaded,
                _ => Self::Refused,
            },
            Refused::Lost => Self::Overloaded,
        }
    }

    /// Why reading from the socket failed.
    pub fn of_read_error(error: axum::Error) -> Self {
        let Ok(error) = error.into_inner().downcast::<tungstenite::Error>() else {
            return Self::Broken;
        };
        match *error {
            tungstenite::Error::Capacity(_) => Self::TooLarge,
            tungstenite::Error::Utf8(_) => Self::NotUtf8,
            tungstenite::Error::ConnectionClosed => Self::ClientLeft,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{ErrorBody, Locale};

    use super::*;

    #[test]
    fn a_refusal_says_whether_coming_back_makes_sense() {
        let check = |code, expected| {
            let refused = Refused::Rejected(Box::new(ErrorBody::new(code, Locale::Ko)));
            assert_eq!(CloseReason::of_refusal(&refused), expected, "{code}");
        };
        check(ErrorCode::SessionNotFound, CloseReason::NoSession);
        check(ErrorCode::SessionGone, CloseReason::NoSession);
        check(ErrorCode::DbUnavailable, CloseReason::Overloaded);
        check(ErrorCode::SysDraining, CloseReason::Restarting);
        check(ErrorCode::SessionEventAhead, CloseReason::Refused);
        check(ErrorCode::SessionRestartLimit, CloseReason::Refused);
    }

    #[test]
    fn what_the_library_refuses_has_its_own_code() {
        let utf8 = tungstenite::Error::Utf8("x".to_owned());
        assert_eq!(
            CloseReason::of_read_error(axum::Error::new(utf8)).code(),
            Some(1007)
        );
        let size = tungstenite::error::CapacityError::MessageTooLong { size: 2, max_size: 1 };
        let error = axum::Error::new(tungstenite::Error::Capacity(size));
        assert_eq!(CloseReason::of_read_error(error).code(), Some(1009));
        let io = axum::Error::new(std::io::Error::other("x"));
        assert_eq!(CloseReason::of_read_error(io), CloseReason::Broken);
    }
}
