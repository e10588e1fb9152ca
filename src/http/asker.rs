//! Who sends a request, as the edge found out, and the headers that say so.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use greenroom_protocol::{CommandId, ErrorCode, Locale};
use greenroom_session::{Caller, UserKey};

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::Failure;
use super::access::{OfferedProtocols, text};
use crate::rate::Client;

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Asker {
    /// For the session: who may see it.
    pub caller: Caller,
    /// Whose rate it is.
    pub client: Client,
    /// The language of errors that no session tells.
    pub locale: Locale,
}

impl Asker {
    /// The user's key, if one was sent.
    pub fn user(&self) -> Option<&UserKey> {
        match &self.caller {
            Caller::Client(user) => user.as_ref(),
            Caller::Operator => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The edge puts it there before any route is reached.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Failure::new(ErrorCode::SysInternal))
    }
}

/// The idempotency key of a request, if it has one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(pub Option<CommandId>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let keys = ["idempotency-key", "x-idempotency-key"].map(|name| parts.headers.get(name));
        let key = match keys {
            [Some(one), Some(other)] if one != other => {
                let reason = "Idempotency-Key and X-Idempotency-Key differ";
                return Err(Failure::with_details(ErrorCode::InputInvalid, reason));
            }
            [Some(key), _] | [None, Some(key)] => key,
            [None, None] => return Ok(Self(None)),
        };
        let parsed = key.to_str().ok().and_then(|key| key.parse().ok());
        let invalid = || {
            let reason = "an idempotency key is 1 to 128 visible ASCII characters";
            Failure::with_details(ErrorCode::InputInvalid, reason)
        };
        parsed.ok_or_else(invalid).map(|key| Self(Some(key)))
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(128))
            .pattern(Some("^[!-~]+$"));
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .schema(Some(schema))
            .description(Some(
                "The same request under the same key counts once, and is answered as before; X-Idempotency-Key is the \
                 same",
            ));
        vec![parameter.build()]
    }
}

/// The language that the client prefers, by `Accept-Language`. Weights are left out of account, for browsers send
/// the languages in order.
pub(super) fn preferred_locale(headers: &HeaderMap) -> Locale {
    let languages = text(headers, header::ACCEPT_LANGUAGE)
        .unwrap_or_default()
        .split(',');
    languages
        .map(primary_language)
        .find_map(known_locale)
        .unwrap_or_default()
}

/// The user's key, from its header or from a socket's subprotocol.
pub(super) fn user_key(headers: &HeaderMap) -> Result<Option<UserKey>, Failure> {
    let invalid = |reason: String| Failure::with_details(ErrorCode::InputInvalid, reason);
    let key = match headers.get("x-user-key") {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|error| invalid(format!("X-User-Key: {error}")))?,
        ),
        None => OfferedProtocols::of(headers).user,
    };
    key.map(|key| {
        key.parse()
            .map_err(|error| invalid(format!("X-User-Key: {error}")))
    })
    .transpose()
}

fn primary_language(range: &str) -> &str {
    range.trim().split(['-', ';']).next().unwrap_or_default()
}

fn known_locale(language: &str) -> Option<Locale> {
    match language.to_ascii_lowercase().as_str() {
        "ko" => Some(Locale::Ko),
        "en" => Some(Locale::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::builder(), |builder, (name, value)| {
            builder.header(*name, *value)
        });
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_first_language_that_we_speak_is_taken() {
        let check = |value: &str, expected| {
            assert_eq!(
                preferred_locale(&parts(&[("accept-language", value)]).headers),
                expected,
                "{value}"
            );
        };
        check("en-US,en;q=0.9,ko;q=0.8", Locale::En);
        check("fr, ko-KR;q=0.7", Locale::Ko);
        check("fr", Locale::Ko);
        check("", Locale::Ko);
    }

    #[tokio::test]
    async fn either_name_of_the_idempotency_key_is_read() {
        let read = async |headers: &[(&str, &str)]| {
            let key = IdempotencyKey::from_request_parts(&mut parts(headers), &()).await;
            key.map(|key| key.0.map(|key| key.to_string()))
                .map_err(|failure| failure.code())
        };
        assert_eq!(read(&[]).await, Ok(None));
        assert_eq!(read(&[("idempotency-key", "a")]).await, Ok(Some("a".to_owned())));
        assert_eq!(
            read(&[("x-idempotency-key", "b")]).await,
            Ok(Some("b".to_owned()))
        );
        let both = [("idempotency-key", "a"), ("x-idempotency-key", "b")];
        assert_eq!(read(&both).await, Err(ErrorCode::InputInvalid));
        assert_eq!(
            read(&[("idempotency-key", "a b")]).await,
            Err(ErrorCode::InputInvalid)
        );
    }

    #[test]
    fn a_user_key_comes_as_a_header_or_as_a_subprotocol() {
        let read = |headers: &[(&str, &str)]| {
            user_key(&parts(headers).headers).map(|key| key.map(|key| key.reveal().to_owned()))
        };
        assert_eq!(read(&[("x-user-key", "alice")]), Ok(Some("alice".to_owned())));
        assert_eq!(
            read(&[("sec-websocket-protocol", "greenroom.v1, user.bob")]),
            Ok(Some("bob".to_owned()))
        );
        assert_eq!(read(&[]), Ok(None));
        assert!(read(&[("x-user-key", "a b")]).is_err());
    }
}
