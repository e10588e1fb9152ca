//! How a request is let in: it shows its key, names a model, is booked, and is given the fault that waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::api::Api;
use super::bill::{NewCall, OpenCall};
use super::error::ProviderError;
use super::fault::{Fault, FaultPoint};
use super::pace::Pace;
use super::simulator::SharedSimulator;

/// Where a request says its call's id when its metadata does not.
const CLIENT_REQUEST_ID: &str = "x-client-request-id";
/// What the names of all simulated models begin with.
pub(crate) const MODEL_PREFIX: &str = "sim-";

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Debug, Clone)]
pub(crate) struct Disconnect;

/// A request that has not been let in yet.
#[derive(Debug)]
pub(crate) struct Visitor {
    simulator: SharedSimulator,
    api: Api,
    model: String,
    call_id: Option<String>,
    permit: OwnedSemaphorePermit,
}

/// What comes of a request that was read.
pub(crate) enum Admission {
    /// It is answered.
    Admitted(Box<Admitted>),
    /// A fault has answered it.
    Answered(Response),
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) call: OpenCall,
    pub(crate) pace: Pace,
    /// What goes wrong with the reply.
    pub(crate) fault: Option<Fault>,
}

impl Visitor {
    /// Takes a request in whose key is right.
    pub(crate) fn arrive(
        simulator: &SharedSimulator,
        api: Api,
        headers: &HeaderMap,
    ) -> Result<Self, ProviderError> {
        let permit = simulator.permit()?;
        let call_id = headers.get(CLIENT_REQUEST_ID).and_then(|id| id.to_str().ok());
        let visitor = Self {
            simulator: Arc::clone(simulator),
            api,
            model: String::new(),
            call_id: call_id.map(str::to_owned),
            permit,
        };
        simulator
            .authorize(headers)
            .map_err(|error| visitor.refuse(error))?;
        Ok(visitor)
    }

    /// Notes what the body says of the call, and refuses models that are not simulated.
    pub(crate) fn introduce(&mut self, request: &Map<String, Value>) -> Result<(), ProviderError> {
        let in_metadata = request
            .get("metadata")
            .and_then(|metadata| metadata["call_id"].as_str());
        if let Some(call_id) = in_metadata {
            self.call_id = Some(call_id.to_owned());
        }
        match request.get("model").and_then(Value::as_str) {
            Some(model) => self.name_model(model),
            None => Ok(()),
        }
    }

    /// Notes the model, and refuses one that is not simulated.
    pub(crate) fn name_model(&mut self, model: &str) -> Result<(), ProviderError> {
        model.clone_into(&mut self.model);
        if model.starts_with(MODEL_PREFIX) {
            Ok(())
        } else {
            Err(self.refuse(ProviderError::unknown_model(model)))
        }
    }

    /// Books a request that is refused.
    pub(crate) fn refuse(&self, error: ProviderError) -> ProviderError {
        let bill = &self.simulator.bill;
        bill.reject(self.api, &self.model, self.call_id.clone(), error.status.as_u16());
        error
    }

    /// Lets the request in, and lets the fault happen that comes before a reply.
    pub(crate) async fn admit(self, purpose: &str, schema: Option<&str>) -> Admission {
        let fault = self
            .simulator
            .faults
            .take(FaultPoint::Request, self.api, &self.model, purpose);
        let entry = NewCall {
            api: self.api,
            model: &self.model,
            purpose,
            schema,
            call_id: self.call_id,
        };
        let mut call = self.simulator.bill.start(entry, fault, self.permit);
        let mut pace = self.simulator.pace;
        match fault {
            Some(Fault::Status { code, retry_after }) => {
                call.fail(code);
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Admission::Answered(ProviderError::of_status(status, retry_after).into_response());
            }
            Some(Fault::DisconnectBeforeHeaders) => return Admission::Answered(disconnected()),
            Some(Fault::Hang { after_chars: None }) => std::future::pending::<()>().await,
            Some(Fault::Slow { first_token_ms }) => pace.first_token = Duration::from_millis(first_token_ms),
            _ => {}
        }
        Admission::Admitted(Box::new(Admitted { call, pace, fault }))
    }
}

/// The response that stands for a connection which is closed without one.
pub(crate) fn disconnected() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(Disconnect);
    response
}
