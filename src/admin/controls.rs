//! What operators do to the server: limits, providers, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use greenroom_protocol::ErrorCode;
use greenroom_session::ports::Clock as _;
use greenroom_store::{Act, Operator, OperatorStoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reason::Reason;
use crate::app::App;
use crate::http::{Failure, InBody, InOptionalBody, ProviderHealth};
use crate::limits::{LimitName, LimitStatus};
use crate::providers::Service;
use crate::system::SystemClock;

/// Why something is done, if that is said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    reason: Option<Reason>,
}

fn act(by: Operator, reason: Option<Reason>) -> Act {
    Act {
        at: SystemClock.now(),
        by,
        reason: reason.map(Reason::into_text),
    }
}

/// What must be done although it cannot be recorded: the disk may be what is wrong.
fn recorded(recorded: Result<(), OperatorStoreError>) {
    if let Err(error) = recorded {
        tracing::error!(%error, "what an operator did is not in the audit");
    }
}

/// A provider by what it does.
#[derive(Debug, Serialize)]
pub(super) struct ServiceDocument {
    name: &'static str,
    #[serde(flatten)]
    health: ProviderHealth,
}

impl ServiceDocument {
    fn of(app: &App, service: Service) -> Self {
        Self {
            name: service.name(),
            health: ProviderHealth::by(app.providers.service_status(service)),
        }
    }
}

pub(super) async fn providers(State(app): State<Arc<App>>) -> Json<Value> {
    let items = Service::ALL.map(|service| ServiceDocument::of(&app, service));
    Json(json!({ "items": items }))
}

pub(super) async fn reset_provider(
    State(app): State<Arc<App>>,
    Extension(operator): Extension<Operator>,
    Path(name): Path<String>,
    InOptionalBody(Because { reason }): InOptionalBody<Because>,
) -> Result<Json<ServiceDocument>, Failure> {
    let service = Service::by_name(&name).filter(|service| app.providers.reset_circuit(*service));
    let Some(service) = service else {
        let configured = Service::ALL
            .into_iter()
            .filter(|service| app.providers.service_status(*service).is_some());
        let names: Vec<&str> = configured.map(Service::name).collect();
        let reason = match names.as_slice() {
            [] => "no provider is configured".to_owned(),
            names => format!("there is no such provider; there are {}", names.join(", ")),
        };
        return Err(Failure::unrouted(StatusCode::NOT_FOUND, &reason));
    };
    tracing::info!(
        uid = operator.uid,
        provider = service.name(),
        "an operator closed a circuit"
    );
    let act = act(operator, reason);
    recorded(app.operator.record_reset(service.name(), &act).await);
    Ok(Json(ServiceDocument::of(&app, service)))
}

pub(super) async fn limits(State(app): State<Arc<App>>) -> Json<BTreeMap<&'static str, LimitStatus>> {
    Json(limit_statuses(&app))
}

pub(super) async fn change_limits(
    State(app): State<Arc<App>>,
    Extension(operator): Extension<Operator>,
    InBody(body): InBody<Map<String, Value>>,
) -> Result<Json<BTreeMap<&'static str, LimitStatus>>, Failure> {
    let Change { limits, reason } =
        Change::read(body).map_err(|details| Failure::with_details(ErrorCode::InputInvalid, details))?;
    app.change_limits(&limits, &act(operator, reason)).await?;
    for (name, value) in &limits {
        tracing::info!(
            uid = operator.uid,
            limit = name.as_str(),
            value,
            "an operator changed a limit"
        );
    }
    Ok(Json(limit_statuses(&app)))
}

fn limit_statuses(app: &App) -> BTreeMap<&'static str, LimitStatus> {
    let statuses = app.limits.statuses().into_iter();
    statuses.map(|(name, status)| (name.as_str(), status)).collect()
}

/// Limits to change, and why.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    limits: BTreeMap<LimitName, Option<u64>>,
    reason: Option<Reason>,
}

impl Change {
    /// Reads `{"<limit>": 5, "<other limit>": null, "reason": "…"}`, or says what is wrong with it.
    fn read(mut body: Map<String, Value>) -> Result<Self, Value> {
        let wrong = |field: &str, reason: String| json!({ "field": field, "reason": reason });
        let names = || LimitName::ALL.map(LimitName::as_str).join(", ");
        let reason = body.remove("reason").unwrap_or_default();
        let reason = serde_json::from_value(reason).map_err(|error| wrong("reason", error.to_string()))?;
        let mut limits = BTreeMap::new();
        for (field, value) in body {
            let name = LimitName::by_name(&field)
                .ok_or_else(|| wrong(&field, format!("there is no such limit; there are {}", names())))?;
            let range = name.range();
            let number = value.as_u64().filter(|number| range.contains(number));
            if number.is_none() && !value.is_null() {
                let (start, end) = (range.start(), range.end());
                let expected =
                    format!("a whole number from {start} to {end}, or null for the configured one");
                return Err(wrong(&field, expected));
            }
            limits.insert(name, number);
        }
        if limits.is_empty() {
            return Err(wrong("limits", format!("name at least one of {}", names())));
        }
        Ok(Self { limits, reason })
    }
}

pub(super) async fn drain(
    State(app): State<Arc<App>>,
    Extension(operator): Extension<Operator>,
    InOptionalBody(Because { reason }): InOptionalBody<Because>,
) -> (StatusCode, Json<Value>) {
    let is_first = app.lifecycle.ask_to_stop();
    if is_first {
        tracing::info!(uid = operator.uid, "an operator asks the server to drain");
        recorded(app.operator.record_drain(&act(operator, reason)).await);
    }
    let document = json!({
        "status": "draining",
        "asked_before": !is_first,
        "connections": app.lifecycle.connections(),
        "sessions_live": app.directory.live(),
    });
    (StatusCode::ACCEPTED, Json(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Change, Value> {
        Change::read(body.as_object().unwrap().clone())
    }

    #[test]
    fn limits_are_numbers_or_given_back() {
        let change = read(&json!({ "connections": 5, "turns_per_minute": null, "reason": " a crowd " }));
        let limits = [
            (LimitName::Connections, Some(5)),
            (LimitName::TurnsPerMinute, None),
        ];
        let expected = Change {
            limits: limits.into(),
            reason: Reason::try_from("a crowd".to_owned()).ok(),
        };
        assert_eq!(change, Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |body: Value, field: &str, part: &str| {
            let wrong = read(&body).unwrap_err();
            let reason = wrong["reason"].as_str().unwrap();
            assert!(
                wrong["field"] == field && reason.contains(part),
                "{body}: {wrong}"
            );
        };
        check(json!({ "conections": 5 }), "conections", "requests_per_minute");
        check(json!({ "connections": 0 }), "connections", "1 to 1000000");
        check(json!({ "uploads": 10_001 }), "uploads", "1 to 10000");
        check(json!({ "uploads": "5" }), "uploads", "a whole number");
        check(json!({ "uploads": 1.5 }), "uploads", "a whole number");
        check(
            json!({ "uploads": 5, "reason": " " }),
            "reason",
            "1 to 500 characters",
        );
        check(json!({ "reason": "why" }), "limits", "at least one");
    }
}
