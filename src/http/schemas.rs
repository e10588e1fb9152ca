//! Schemas of the protocol's types in the API's description: generated from the types themselves, named once under
//! `components`, and referred to from the bodies.

use greenroom_protocol::{
    ApiError, Envelope, Gate, JobId, JobStatus, JobType, Locale, Mode, RunId, SessionId, SlotUpdate,
    Timestamp,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Array, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

type SchemaRef = RefOr<Schema>;

/// The protocol's types that bodies refer to, as `components/schemas` of an OpenAPI 3.1 document.
pub(super) fn components() -> serde_json::Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let types: [fn(&mut SchemaGenerator) -> schemars::Schema; 12] = [
        SchemaGenerator::subschema_for::<ApiError>,
        SchemaGenerator::subschema_for::<Envelope>,
        SchemaGenerator::subschema_for::<Gate>,
        SchemaGenerator::subschema_for::<JobId>,
        SchemaGenerator::subschema_for::<JobStatus>,
        SchemaGenerator::subschema_for::<JobType>,
        SchemaGenerator::subschema_for::<Locale>,
        SchemaGenerator::subschema_for::<Mode>,
        SchemaGenerator::subschema_for::<RunId>,
        SchemaGenerator::subschema_for::<SessionId>,
        SchemaGenerator::subschema_for::<SlotUpdate>,
        SchemaGenerator::subschema_for::<Timestamp>,
    ];
    for subschema in types {
        subschema(&mut generator);
    }
    generator.take_definitions(true)
}

fn reference<T: JsonSchema>() -> SchemaRef {
    Ref::from_schema_name(T::schema_name().as_ref()).into()
}

fn or_null(schema: SchemaRef) -> SchemaRef {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    Schema::from(OneOfBuilder::new().item(schema).item(null).build()).into()
}

pub(super) fn session_id() -> SchemaRef {
    reference::<SessionId>()
}

pub(super) fn run_id() -> SchemaRef {
    reference::<RunId>()
}

pub(super) fn optional_run_id() -> SchemaRef {
    or_null(run_id())
}

pub(super) fn job_id() -> SchemaRef {
    reference::<JobId>()
}

pub(super) fn job_status() -> SchemaRef {
    reference::<JobStatus>()
}

pub(super) fn job_type() -> SchemaRef {
    reference::<JobType>()
}

pub(super) fn locale() -> SchemaRef {
    reference::<Locale>()
}

pub(super) fn mode() -> SchemaRef {
    reference::<Mode>()
}

pub(super) fn gate() -> SchemaRef {
    reference::<Gate>()
}

pub(super) fn timestamp() -> SchemaRef {
    reference::<Timestamp>()
}

pub(super) fn optional_timestamp() -> SchemaRef {
    or_null(timestamp())
}

pub(super) fn error() -> SchemaRef {
    Ref::from_schema_name("ErrorBody").into()
}

pub(super) fn optional_error() -> SchemaRef {
    or_null(error())
}

pub(super) fn slot_updates() -> SchemaRef {
    Schema::from(Array::new(reference::<SlotUpdate>())).into()
}

pub(super) fn envelopes() -> SchemaRef {
    Schema::from(Array::new(reference::<Envelope>())).into()
}

/// Groups of slots; which ones there are is the playbook's to say.
pub(super) fn brief_slots() -> SchemaRef {
    let slots = json!({ "name": "루미세럼", "category": "스킨케어", "features": null });
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "All slots of the playbook, grouped by the first part of their path; null where unfilled",
        ))
        .examples([json!({ "product": slots })]);
    Schema::from(object.build()).into()
}

pub(super) fn run_status() -> SchemaRef {
    let statuses = ["running", "completed", "failed", "cancelled"];
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(statuses));
    Schema::from(object.build()).into()
}
