//! Reads a form with a recording as it comes in: checked while it streams, held once, and not waited for for ever.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::Stream;
use greenroom_audio::{UPLOAD_BYTES_MAX, Upload};
use greenroom_protocol::{ErrorCode, Locale, limits};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Failure;
use super::access::text;
use crate::lifecycle::{Phase, PhaseWatch};
use crate::voice::Recording;

/// How long an upload may say nothing.
const STALL_MAX: Duration = Duration::from_secs(10);
/// How long an upload may take before its rate counts: connections begin slowly.
const RATE_GRACE: Duration = Duration::from_secs(10);
/// The rate that an upload must keep on the whole: recorded speech in Opus then takes no longer to send than it took to
/// say. Whoever is slower would hold the memory of others.
const RATE_BYTES_PER_SECOND_MIN: u64 = 4 * 1024;
/// How long an upload may take in all, at whatever rate: five minutes of speech over a connection half as fast as one
/// speaks.
const UPLOAD_MAX: Duration = Duration::from_mins(10);
/// Bytes of the form around the recording: headings, boundaries, short fields.
const AROUND_BYTES_MAX: usize = 64 * 1024;
/// Bytes that the form is handed at once: as many as a connection reads.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// Bytes that may come in while the form gets nowhere: a heading that never ends would be searched again and again.
const UNPARSED_BYTES_MAX: usize = 256 * 1024;

/// What is read on of a body that was refused, so that its sender comes to read why: a connection that is closed while
/// it sends loses the answer. Reading what nobody keeps costs little, so that time bounds it sooner than size.
const LINGER_BYTES_MAX: usize = 10 * UPLOAD_BYTES_MAX;
const LINGER_MAX: Duration = Duration::from_secs(5);

const AUDIO: &str = "audio";
const LOCALE: &str = "locale";
const VOICE_PRESET: &str = "voice_preset";

/// What was sent.
#[derive(Debug)]
pub(super) struct RecordingForm {
    /// What was said.
    pub(super) recording: Recording,
    /// The language that it is probably in.
    pub(super) locale: Option<Locale>,
    /// The voice to answer in.
    pub(super) voice_preset: Option<String>,
}

/// A body that is being read, and may be refused half way.
pub(super) struct FormBody {
    body: Arc<Mutex<Body>>,
    /// Whether the client waits to be asked for the body, and sends none to who refuses.
    waits_to_be_asked: bool,
}

impl FormBody {
    pub(super) fn new(body: Body, headers: &HeaderMap) -> Self {
        Self {
            body: Arc::new(Mutex::new(body)),
            waits_to_be_asked: headers.contains_key(header::EXPECT),
        }
    }

    /// Reads the form, unless the server stops taking work first.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        watch: PhaseWatch,
    ) -> Result<RecordingForm, Failure> {
        let boundary = boundary(headers)?;
        let declared = text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if declared.is_some_and(|bytes| bytes > UPLOAD_BYTES_MAX + AROUND_BYTES_MAX) {
            return Err(too_large());
        }
        let unparsed_bytes = Arc::new(AtomicUsize::new(0));
        let paced = PacedBody::new(Arc::clone(&self.body), Arc::clone(&unparsed_bytes));
        let reading = read_form(paced, boundary, &unparsed_bytes);
        let read = watch.unless_reached(Phase::Draining, reading).await;
        read.unwrap_or_else(|| Err(Failure::new(ErrorCode::SysDraining)))
    }

    /// Reads on for a moment what nobody wants any more. The task ends by itself, within [`LINGER_MAX`].
    pub(super) fn linger(self) {
        if self.waits_to_be_asked {
            return;
        }
        tokio::spawn(async move {
            let mut bytes = 0;
            let reading = async {
                loop {
                    match next_data(&self.body).await {
                        Some(Ok(data)) if bytes + data.len() <= LINGER_BYTES_MAX => bytes += data.len(),
                        Some(_) | None => return,
                    }
                }
            };
            // Whoever still sends then is cut off.
            timeout(LINGER_MAX, reading).await.ok();
        });
    }
}

async fn next_data(body: &Mutex<Body>) -> Option<Result<Bytes, axum::Error>> {
    std::future::poll_fn(|context| poll_data(body, context)).await
}

fn poll_data(body: &Mutex<Body>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
    let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        match frame.map(|frame| frame.map(hyper::body::Frame::into_data)) {
            Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
            // Trailers.
            Some(Ok(Err(_))) => {}
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        }
    }
}

/// Why a body is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum BodyFault {
    #[error("nothing came for {} s", STALL_MAX.as_secs())]
    Stalled,
    #[error("it came at less than {RATE_BYTES_PER_SECOND_MIN} bytes a second")]
    Slow,
    #[error("it took longer than {} s", UPLOAD_MAX.as_secs())]
    Late,
    #[error("the body broke off")]
    Broken,
    #[error("a heading of the form never ends")]
    Endless,
}

/// A body that must keep going.
struct PacedBody {
    body: Arc<Mutex<Body>>,
    unparsed_bytes: Arc<AtomicUsize>,
    began: Instant,
    received_bytes: u64,
    deadline: Pin<Box<Sleep>>,
    /// What came and was not handed out yet.
    rest: Bytes,
    /// Whether the last call handed something out. The form takes all that is there before it looks at any of it, so it
    /// is given one piece at a time: else it would hold a quick upload whole, beside what it has handed on.
    paused: bool,
}

impl PacedBody {
    fn new(body: Arc<Mutex<Body>>, unparsed_bytes: Arc<AtomicUsize>) -> Self {
        let began = Instant::now();
        Self {
            body,
            unparsed_bytes,
            began,
            received_bytes: 0,
            deadline: Box::pin(sleep_until(began + STALL_MAX)),
            rest: Bytes::new(),
            paused: false,
        }
    }

    /// When the whole of what came so far would have come too slowly.
    fn rate_deadline(&self) -> Instant {
        let earned = Duration::from_millis(self.received_bytes * 1_000 / RATE_BYTES_PER_SECOND_MIN);
        self.began + RATE_GRACE + earned
    }

    /// What is wrong when the deadline has passed.
    fn overdue(&self) -> BodyFault {
        let now = Instant::now();
        if now >= self.began + UPLOAD_MAX {
            BodyFault::Late
        } else if now >= self.rate_deadline() {
            BodyFault::Slow
        } else {
            BodyFault::Stalled
        }
    }

    fn receive(&mut self, data: Bytes) {
        self.received_bytes += data.len() as u64;
        let deadlines = [
            Instant::now() + STALL_MAX,
            self.rate_deadline(),
            self.began + UPLOAD_MAX,
        ];
        if let Some(deadline) = deadlines.into_iter().min() {
            self.deadline.as_mut().reset(deadline);
        }
        self.rest = data;
    }

    fn next_piece(&mut self) -> Result<Bytes, BodyFault> {
        let length = self.rest.len().min(PIECE_BYTES_MAX);
        let unparsed_bytes = self.unparsed_bytes.fetch_add(length, Ordering::Relaxed) + length;
        if unparsed_bytes > UNPARSED_BYTES_MAX {
            return Err(BodyFault::Endless);
        }
        self.paused = true;
        Ok(self.rest.split_to(length))
    }
}

impl Stream for PacedBody {
    type Item = Result<Bytes, BodyFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.paused) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            match poll_data(&self.body, context) {
                Poll::Ready(Some(Ok(data))) => self.receive(data),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(BodyFault::Broken))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.deadline.as_mut().poll(context));
                    return Poll::Ready(Some(Err(self.overdue())));
                }
            }
        }
        Poll::Ready(Some(self.next_piece()))
    }
}

async fn read_form(
    body: PacedBody,
    boundary: String,
    unparsed_bytes: &AtomicUsize,
) -> Result<RecordingForm, Failure> {
    let sizes = SizeLimit::new()
        .whole_stream((UPLOAD_BYTES_MAX + AROUND_BYTES_MAX) as u64)
        .per_field(limits::NAME_BYTES_MAX as u64)
        .for_field(AUDIO, UPLOAD_BYTES_MAX as u64);
    let constraints = Constraints::new()
        .allowed_fields(vec![AUDIO, LOCALE, VOICE_PRESET])
        .size_limit(sizes);
    let mut form = Multipart::with_constraints(body, boundary, constraints);
    let (mut recording, mut locale, mut voice_preset) = (None, None, None);
    while let Some(field) = form.next_field().await.map_err(|error| failure(&error))? {
        unparsed_bytes.store(0, Ordering::Relaxed);
        // A field of another name was refused by the form itself.
        if field.name() == Some(AUDIO) {
            refuse_second(recording.is_some(), AUDIO)?;
            recording = Some(read_recording(field, unparsed_bytes).await?);
        } else if field.name() == Some(LOCALE) {
            refuse_second(locale.is_some(), LOCALE)?;
            locale = Some(parse_locale(&read_text(field).await?)?);
        } else {
            refuse_second(voice_preset.is_some(), VOICE_PRESET)?;
            voice_preset = Some(read_text(field).await?);
        }
    }
    Ok(RecordingForm {
        recording: recording.ok_or_else(|| invalid(AUDIO, "the part is missing"))?,
        locale,
        // What a form sends for a choice that was not made.
        voice_preset: voice_preset.filter(|preset| !preset.is_empty()),
    })
}

async fn read_text(field: Field<'_>) -> Result<String, Failure> {
    let text = field.text().await.map_err(|error| failure(&error))?;
    Ok(text.trim().to_owned())
}

async fn read_recording(mut field: Field<'_>, unparsed_bytes: &AtomicUsize) -> Result<Recording, Failure> {
    let mut upload = Upload::new(UPLOAD_BYTES_MAX);
    let mut digest = Sha256::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| failure(&error))? {
        unparsed_bytes.store(0, Ordering::Relaxed);
        digest.update(&chunk);
        upload.push(chunk).map_err(|_| too_large())?;
    }
    if upload.is_empty() {
        return Err(invalid(AUDIO, "the recording is empty"));
    }
    Ok(Recording {
        upload,
        digest: format!("{:x}", digest.finalize()),
    })
}

fn boundary(headers: &HeaderMap) -> Result<String, Failure> {
    let media_type = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    multer::parse_boundary(media_type).map_err(|error| {
        if matches!(error, multer::Error::NoBoundary) {
            let reason = "the Content-Type names no boundary";
            Failure::with_details(ErrorCode::InputInvalid, reason)
        } else {
            let reason = "a recording is sent as Content-Type: multipart/form-data";
            Failure::with_details(ErrorCode::InputUnsupportedMedia, reason)
        }
    })
}

fn parse_locale(value: &str) -> Result<Locale, Failure> {
    match value {
        "ko" => Ok(Locale::Ko),
        "en" => Ok(Locale::En),
        _ => Err(invalid(LOCALE, "it is ko or en")),
    }
}

fn refuse_second(known: bool, field: &str) -> Result<(), Failure> {
    if known {
        return Err(invalid(field, "the part may come once"));
    }
    Ok(())
}

fn invalid(field: &str, reason: &str) -> Failure {
    Failure::with_details(
        ErrorCode::InputInvalid,
        json!({ "field": field, "reason": reason }),
    )
}

fn too_large() -> Failure {
    let reason = format!("a recording has at most {UPLOAD_BYTES_MAX} bytes");
    Failure::with_details(
        ErrorCode::InputTooLarge,
        json!({ "field": AUDIO, "reason": reason, "bytes_max": UPLOAD_BYTES_MAX }),
    )
}

/// What is wrong with a form.
fn failure(error: &multer::Error) -> Failure {
    use multer::Error::{FieldSizeExceeded, StreamReadFailed, StreamSizeExceeded, UnknownField};
    match error {
        UnknownField { field_name } => {
            let field = field_name.as_deref().unwrap_or_default();
            let known = format!("there is no such field; there are {AUDIO}, {LOCALE} and {VOICE_PRESET}");
            invalid(field, &known)
        }
        StreamSizeExceeded { .. } => too_large(),
        FieldSizeExceeded { field_name, .. } => match field_name.as_deref() {
            Some(AUDIO) => too_large(),
            field => invalid(field.unwrap_or_default(), "it is too long"),
        },
        StreamReadFailed(cause) => match body_fault(cause.as_ref()) {
            Some(fault @ (BodyFault::Stalled | BodyFault::Slow | BodyFault::Late)) => {
                Failure::with_details(ErrorCode::InputTimeout, fault.to_string())
            }
            Some(fault) => Failure::with_details(ErrorCode::InputInvalid, fault.to_string()),
            None => Failure::with_details(ErrorCode::InputInvalid, "the form cannot be read"),
        },
        // What stood in the form is not repeated: the error may quote it.
        _ => Failure::with_details(ErrorCode::InputInvalid, "the form is malformed or ends too early"),
    }
}

fn body_fault(cause: &(dyn StdError + 'static)) -> Option<BodyFault> {
    let cause = cause.downcast_ref::<BodyFault>();
    cause.copied()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use futures_util::{StreamExt as _, stream};
    use tokio::time::sleep;

    use super::*;
    use crate::lifecycle::Lifecycle;

    const HEADING: &str = "--b\r\nContent-Disposition: form-data; name=\"audio\"\r\n\r\n";
    const END: &str = "\r\n--b--\r\n";

    async fn read(body: Body, headers: &[(header::HeaderName, &str)]) -> Result<RecordingForm, Failure> {
        let lifecycle = Lifecycle::default();
        let media_type = [(header::CONTENT_TYPE, "multipart/form-data; boundary=b")];
        let headers: HeaderMap = media_type
            .iter()
            .chain(headers)
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        FormBody::new(body, &headers)
            .read(&headers, lifecycle.watch())
            .await
    }

    /// A body whose pieces come one after another, each this much later.
    fn paced(pieces: Vec<Vec<u8>>, pause: Duration) -> Body {
        Body::from_stream(stream::unfold(pieces.into_iter(), move |mut pieces| async move {
            let piece = pieces.next()?;
            sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(piece)), pieces))
        }))
    }

    #[track_caller]
    fn check_refused(read: &Result<RecordingForm, Failure>, code: ErrorCode, reason: &str) {
        let Err(Failure::Coded {
            code: found, details, ..
        }) = read
        else {
            panic!("{read:?}")
        };
        assert_eq!(*found, code, "{details}");
        assert!(details.to_string().contains(reason), "{details}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stalls_or_drips_is_not_waited_for() {
        let stalled = Body::from_stream(
            stream::iter([Ok::<_, std::io::Error>(Bytes::from(HEADING))]).chain(stream::pending()),
        );
        let began = Instant::now();
        check_refused(&read(stalled, &[]).await, ErrorCode::InputTimeout, "nothing came");
        assert!(began.elapsed() < STALL_MAX + Duration::from_secs(1));

        let drops = [HEADING]
            .map(Vec::from)
            .into_iter()
            .chain(vec![vec![b'x']; 1_000]);
        let began = Instant::now();
        let dripping = paced(drops.collect(), Duration::from_secs(3));
        check_refused(
            &read(dripping, &[]).await,
            ErrorCode::InputTimeout,
            "bytes a second",
        );
        assert!(began.elapsed() < RATE_GRACE + STALL_MAX);

        // Quick enough, for ever.
        let pieces = [HEADING].map(Vec::from).into_iter();
        let pieces = pieces.chain(vec![vec![b'x'; 2 * 4_096]; 1_000]);
        let began = Instant::now();
        let endless = paced(pieces.collect(), Duration::from_secs(1));
        check_refused(&read(endless, &[]).await, ErrorCode::InputTimeout, "longer than");
        assert_eq!(began.elapsed(), UPLOAD_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_is_slow_but_keeps_its_rate_is_taken_however_long_it_takes() {
        let piece = vec![b'x'; 40 * 1024];
        let mut pieces = vec![piece.clone(); 60];
        pieces[0] = [HEADING.as_bytes(), &piece].concat();
        pieces.push(Vec::from(END));
        let began = Instant::now();
        let form = read(paced(pieces, Duration::from_secs(9)), &[]).await.unwrap();
        assert_eq!(form.recording.upload.len_bytes(), 60 * 40 * 1024);
        assert!(began.elapsed() > Duration::from_secs(500));
    }

    #[tokio::test]
    async fn a_recording_is_held_in_pieces_and_known_by_what_it_holds() {
        let recording = vec![7; 1024 * 1024];
        let whole = [HEADING.as_bytes(), &recording, END.as_bytes()].concat();
        let at_once = read(Body::from(whole.clone()), &[]).await.unwrap();
        let in_drops = whole.chunks(1_000).map(<[u8]>::to_vec).collect();
        let in_drops = read(paced(in_drops, Duration::ZERO), &[]).await.unwrap();
        assert_eq!(at_once.recording.digest, in_drops.recording.digest);
        for form in [at_once, in_drops] {
            let chunks = form.recording.upload.into_chunks();
            assert_eq!(chunks.concat(), recording);
            assert!(chunks.iter().all(|chunk| chunk.len() <= 2 * PIECE_BYTES_MAX));
        }
    }

    #[tokio::test]
    async fn a_form_that_gets_nowhere_is_not_read_to_its_end() {
        let handed_out = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&handed_out);
        let endless = stream::repeat_with(move || {
            counter.fetch_add(16 * 1024, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'-'; 16 * 1024]))
        });
        let refused = read(Body::from_stream(endless), &[]).await;
        check_refused(&refused, ErrorCode::InputInvalid, "never ends");
        let handed_out = handed_out.load(Ordering::Relaxed);
        assert!(handed_out <= UNPARSED_BYTES_MAX + PIECE_BYTES_MAX, "{handed_out}");
    }

    #[tokio::test]
    async fn what_is_declared_to_be_too_large_is_not_read_at_all() {
        let unread = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = read(unread, &[(header::CONTENT_LENGTH, "99999999")]).await;
        check_refused(&refused, ErrorCode::InputTooLarge, "at most 26214400 bytes");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_as_such() {
        let error = std::io::Error::other("reset");
        let broken = stream::iter([Ok(Bytes::from(HEADING)), Err(error)]);
        check_refused(
            &read(Body::from_stream(broken), &[]).await,
            ErrorCode::InputInvalid,
            "broke off",
        );
    }
}
