//! How a recording is refused, for the description of the routes that take one.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response, ResponseBuilder};

/// Each status with the codes that come with it.
const REFUSALS: [(&str, &str); 8] = [
    ("408", "`INPUT_TIMEOUT`: the upload stalled"),
    ("413", "`INPUT_TOO_LARGE`: above 25 MiB, or longer than 5 minutes"),
    (
        "415",
        "`INPUT_UNSUPPORTED_MEDIA`: the format is none that is taken; `details` names those",
    ),
    (
        "422",
        "`INPUT_INVALID`: the form or the recording is damaged, or there is no such voice; `INPUT_TOO_LONG`: more was \
         said than a message may have; `INPUT_ID_REUSED`; `SAFETY_INPUT`",
    ),
    ("429", "`SYS_RATE_LIMIT`"),
    ("502", "`STT_FAILED`"),
    (
        "503",
        "`STT_NOT_CONFIGURED`, `SAFETY_UNAVAILABLE`, `SYS_OVERLOADED`, `SYS_DRAINING`",
    ),
    ("504", "`STT_TIMEOUT`"),
];

/// The statuses above.
pub(super) struct RecordingRefusals;

impl IntoResponses for RecordingRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let described = REFUSALS.iter().map(|(status, description)| {
            let response = ResponseBuilder::new().description(*description).build();
            ((*status).to_owned(), RefOr::T(response))
        });
        described.collect()
    }
}
