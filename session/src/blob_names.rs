//! What blobs are called, and from a name alone: what keeps the blob.
//!
//! Whoever stores a blob takes its name from here, so that whoever erases a session or sweeps up what nobody names any
//! more finds all of it.

use greenroom_protocol::{AssetId, SessionId};

/// The folder of the blobs that can be fetched by who knows their name.
const ASSETS_FOLDER: &str = "assets";
/// What the name of a phrase's asset begins with: it is shared, and stays when a session is erased.
pub const PHRASE_PREFIX: &str = "phrase-";
/// Where those assets are fetched.
const ASSETS_URL: &str = "/static/assets/";
const SESSION_URL: &str = "/api/chat/session/";
const RECORDINGS_FOLDER: &str = "recordings";
const RECORDING_SUFFIX: &str = ".ogg";
const SPEECH_FOLDER: &str = "speech";
const PHRASES_FOLDER: &str = "phrases";
const PLAYBOOKS_FOLDER: &str = "playbooks";
const PLAYBOOK_SUFFIX: &str = ".json";

/// What keeps a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobKeeper {
    /// An event that names the asset by this url.
    Event {
        /// The url of `asset.ready`.
        url: String,
    },
    /// A session, as long as there is one.
    Session(SessionId),
    /// Every session that is pinned to this playbook.
    Playbook {
        /// Its content hash.
        hash: String,
    },
    /// The server itself: what is said in every session.
    Server,
    /// Nothing that this release knows of. It is not this release's to throw away.
    Unknown,
}

/// The blob that keeps the bundle of a playbook.
pub fn playbook_blob(hash: &str) -> String {
    format!("{PLAYBOOKS_FOLDER}/{hash}{PLAYBOOK_SUFFIX}")
}

/// The blob of an asset that is fetched by its name.
pub fn asset_blob(name: &str) -> String {
    format!("{ASSETS_FOLDER}/{name}")
}

/// Where an asset is fetched that is fetched by its name.
pub fn asset_url(name: &str) -> String {
    format!("{ASSETS_URL}{name}")
}

/// The blob of a recording: not among the assets that are served to whoever knows their name.
pub fn recording_blob(session: SessionId, asset: AssetId) -> String {
    format!("{RECORDINGS_FOLDER}/{session}/{asset}{RECORDING_SUFFIX}")
}

/// Where a recording is fetched, by whoever the session is open to.
pub fn recording_url(session: SessionId, asset: AssetId) -> String {
    format!("{SESSION_URL}{session}/assets/{asset}")
}

/// The folder of what was spoken for one session.
pub fn spoken_folder(session: SessionId) -> String {
    format!("{SPEECH_FOLDER}/{session}")
}

/// The folder of what is spoken in every session.
pub fn phrases_folder() -> String {
    format!("{SPEECH_FOLDER}/{PHRASES_FOLDER}")
}

/// The folders that hold nothing but one session's own.
pub fn own_folders(session: SessionId) -> [String; 2] {
    [format!("{RECORDINGS_FOLDER}/{session}"), spoken_folder(session)]
}

/// The blob that an event names by a url; none if it is no blob of ours.
pub fn blob_at(url: &str) -> Option<String> {
    if let Some(name) = url.strip_prefix(ASSETS_URL) {
        return Some(asset_blob(name));
    }
    let (session, asset) = url.strip_prefix(SESSION_URL)?.split_once("/assets/")?;
    Some(recording_blob(session.parse().ok()?, asset.parse().ok()?))
}

/// Whether an asset is one session's own: what all share stays when a session is erased.
pub fn is_own(url: &str) -> bool {
    url.strip_prefix(ASSETS_URL)
        .is_none_or(|name| !name.starts_with(PHRASE_PREFIX))
}

/// What keeps a blob of this name.
pub fn keeper_of(blob: &str) -> BlobKeeper {
    known_keeper(blob).unwrap_or(BlobKeeper::Unknown)
}

fn known_keeper(blob: &str) -> Option<BlobKeeper> {
    let (folder, rest) = blob.split_once('/')?;
    Some(match folder {
        ASSETS_FOLDER if rest.starts_with(PHRASE_PREFIX) => BlobKeeper::Server,
        ASSETS_FOLDER => BlobKeeper::Event { url: asset_url(rest) },
        RECORDINGS_FOLDER => {
            let (session, file) = rest.split_once('/')?;
            let asset = file.strip_suffix(RECORDING_SUFFIX)?;
            BlobKeeper::Event {
                url: recording_url(session.parse().ok()?, asset.parse().ok()?),
            }
        }
        SPEECH_FOLDER => match rest.split_once('/')? {
            (PHRASES_FOLDER, _) => BlobKeeper::Server,
            (session, _) => BlobKeeper::Session(session.parse().ok()?),
        },
        PLAYBOOKS_FOLDER => BlobKeeper::Playbook {
            hash: rest.strip_suffix(PLAYBOOK_SUFFIX)?.to_owned(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId::new(ulid::Ulid(7));
    const ASSET: AssetId = AssetId::new(ulid::Ulid(8));

    #[track_caller]
    fn check_event(url: String) {
        let blob = blob_at(&url).unwrap();
        assert_eq!(keeper_of(&blob), BlobKeeper::Event { url });
    }

    #[test]
    fn an_event_and_its_blob_name_each_other() {
        check_event(asset_url("00ff.mp3"));
        check_event(recording_url(SESSION, ASSET));
        assert_eq!(blob_at(&asset_url("00ff.mp3")).unwrap(), asset_blob("00ff.mp3"));
        for foreign in [
            "",
            "https://example.org/a.png",
            "/static/other/a.png",
            "/api/chat/session/x/assets/y",
        ] {
            assert_eq!(blob_at(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn what_is_shared_is_kept_by_the_server() {
        assert!(is_own(&asset_url("00ff.mp3")) && is_own(&recording_url(SESSION, ASSET)));
        assert!(!is_own(&asset_url("phrase-00ff.mp3")));
        assert_eq!(keeper_of("assets/phrase-00ff.mp3"), BlobKeeper::Server);
        assert_eq!(
            keeper_of(&format!("{}/1.pcm", phrases_folder())),
            BlobKeeper::Server
        );
    }

    #[test]
    fn a_session_keeps_what_was_spoken_for_it_and_a_playbook_its_bundle() {
        let spoken = format!("{}/1.json", spoken_folder(SESSION));
        assert_eq!(keeper_of(&spoken), BlobKeeper::Session(SESSION));
        let hash = "5e5e".to_owned();
        assert_eq!(keeper_of(&playbook_blob("5e5e")), BlobKeeper::Playbook { hash });
        let recording = recording_blob(SESSION, ASSET);
        assert!(
            own_folders(SESSION)
                .iter()
                .any(|folder| recording.starts_with(folder))
        );
    }

    #[test]
    fn what_nobody_knows_is_left_alone() {
        for name in [
            "notes.txt",
            "recordings/x/y.ogg",
            "recordings/x",
            "speech/x/1.json",
            "posters/1.png",
            "playbooks/x",
        ] {
            assert_eq!(keeper_of(name), BlobKeeper::Unknown, "{name}");
        }
    }
}
