//! Responses that a provider goes on with in the background: taken up again.
//!
//! OpenAI's guide to background mode and its API reference, October 2026, and what users report:
//!
//! - `GET /responses/{id}?stream=true` tells all events of a response that was created with `background` and `stream`,
//!   those that are still to come too; `starting_after` would leave out those up to a number, which is of no use to a
//!   process that has lost what it read.
//! - A stream can be asked for within five minutes of the response's creation, later it is 400; the response itself can be
//!   looked at for some minutes more, by projects without data retention for about ten.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::limits;
use greenroom_session::ports::{CallFailure, ModelRequest};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::call::{AnswerKind, Call, Deadline, Told};
use crate::endpoint::Endpoint;
use crate::failure::Fault;
use crate::generation::Generation;
use crate::reply::Reply;
use crate::responses::{Reading, ResponsesReader, SEARCH_INCLUDES, Standing};

/// How long a response is left alone that is still being written when it is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of a response that is looked at: its text, as JSON, twice over, and what its searches found.
const RESPONSE_BYTES_MAX: usize = 2 * limits::MODEL_OUTPUT_BYTES_MAX + 8 * 1024 * 1024;

/// Asks for a response again that was begun in the background.
pub(crate) async fn take_up(
    endpoint: &Arc<Endpoint>,
    request: &ModelRequest,
    model: &str,
    response_id: &str,
) -> Result<Generation, CallFailure> {
    let deadline = Deadline::new(request.timeout, request.stall_timeout);
    let mut call = Call::new(endpoint, request.call_id, model, deadline);
    let mut reader = Box::new(ResponsesReader::new(Reading::TakenUp));
    let ask = Ask {
        response_id,
        search: request.search,
    };
    match ask.for_stream(&mut call).await {
        Ok(response) => Ok(Generation::streamed(call, response, reader)),
        Err(fault) => {
            let mut reply = Reply::default();
            let looked = if is_too_old(&fault) {
                ask.until_ended(&mut call, &mut reader, &mut reply).await
            } else {
                Err(fault)
            };
            match looked.map_err(lost_if_unknown) {
                Ok(()) => Ok(Generation::known(call, reply, reader)),
                Err(fault) if fault.is_loss() => {
                    reply.fail(fault);
                    Ok(Generation::known(call, reply, reader))
                }
                Err(fault) => Err(call.fail(fault.of_call_made_before(), &Told::default())),
            }
        }
    }
}

/// What is asked for.
struct Ask<'a> {
    response_id: &'a str,
    /// Whether it was to search; then it is to say again what it found.
    search: bool,
}

impl Ask<'_> {
    async fn for_stream(&self, call: &mut Call) -> Result<reqwest::Response, Fault> {
        let get = self.get(call, &[("stream", "true")]);
        call.send(get, AnswerKind::EventStream).await
    }

    /// Looks at the response until it has ended; the reply has an outcome afterwards.
    async fn until_ended(
        &self,
        call: &mut Call,
        reader: &mut ResponsesReader,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        loop {
            let answer = call.ask(self.get(call, &[]), AnswerKind::Json).await?;
            let document: Value = call.whole(answer, RESPONSE_BYTES_MAX).await?;
            match reader.look(document, reply)? {
                Standing::Ended => return Ok(()),
                Standing::UnderWay => call.pause(LOOK_INTERVAL).await?,
            }
        }
    }

    fn get(&self, call: &Call, query: &[(&str, &str)]) -> RequestBuilder {
        let includes = if self.search { SEARCH_INCLUDES } else { &[] };
        let includes = includes.iter().map(|field| ("include[]", *field));
        let query: Vec<_> = query.iter().copied().chain(includes).collect();
        call.get(&[self.response_id], &query)
    }
}

/// Whether a stream was refused of a response that there may be: it is to be looked at.
fn is_too_old(fault: &Fault) -> bool {
    matches!(
        fault.status,
        Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
    )
}

fn lost_if_unknown(fault: Fault) -> Fault {
    match fault.status {
        Some(StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::BAD_REQUEST) => {
            Fault::lost("the provider does not have the response any more")
        }
        _ => fault,
    }
}
