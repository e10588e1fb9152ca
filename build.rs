//! Packs the web client into the binary: whatever of `web/` a browser asks for, compressed once and for all, and named by its
//! content. What stands beside it there (tests, types, tools and what they install) is left out.

#[path = "build/comments.rs"]
mod comments;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use comments::without_comments;

/// Files at the root of `web/`, and the paths that they are served under.
const FILES: [(&str, &str); 2] = [("index.html", "/"), ("favicon.svg", "/favicon.svg")];
/// Folders of `web/` whose files are served under their own names, below `/web/`.
const FOLDERS: [&str; 4] = ["app", "client/src", "docs", "vendor"];
/// Folders within them that no page needs.
const FOLDERS_LEFT_OUT: [&str; 5] = ["examples", "node_modules", "test", "tests", "types"];
/// What a page is made of, by extension.
const MEDIA_TYPES: [(&str, &str); 5] = [
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
];
/// Digits of a content's hash that name it: 128 bits.
const HASH_DIGITS: usize = 32;

/// A file and the path that it is served under.
struct Served {
    path: String,
    media_type: &'static str,
    file: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let web = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("web");
    let packed = Path::new(&std::env::var("OUT_DIR")?).join("web");
    let mut served = Vec::new();
    for (name, path) in FILES {
        let file = web.join(name);
        println!("cargo::rerun-if-changed={}", file.display());
        served.extend(Served::of(file, path.to_owned()));
    }
    for folder in FOLDERS {
        let path = web.join(folder);
        // Of a folder this notices new files, too.
        println!("cargo::rerun-if-changed={}", path.display());
        collect(&path, &format!("/web/{folder}"), &mut served)?;
    }
    served.sort_by(|one, other| one.path.cmp(&other.path));

    fs::create_dir_all(&packed)?;
    let mut table = String::from("&[\n");
    for (index, served) in served.iter().enumerate() {
        served.pack(&packed, &index.to_string(), &mut table)?;
    }
    table.push_str("]\n");
    fs::write(packed.join("files.rs"), table)?;
    Ok(())
}

/// The files of a folder and of those within it.
fn collect(folder: &Path, path: &str, served: &mut Vec<Served>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let below = format!("{path}/{name}");
        let kind = entry.file_type()?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_file() {
            served.extend(Served::of(entry.path(), below));
        } else if kind.is_dir() && !FOLDERS_LEFT_OUT.contains(&name.as_str()) {
            collect(&entry.path(), &below, served)?;
        }
    }
    Ok(())
}

impl Served {
    /// A file, if pages are made of such.
    fn of(file: PathBuf, path: String) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        let (_, media_type) = MEDIA_TYPES.iter().find(|(known, _)| *known == extension)?;
        Some(Self {
            path,
            media_type,
            file,
        })
    }

    /// Whether it is a script or a style of our own; what is by others stays as it was published, licence and all.
    fn is_commented(&self) -> bool {
        let ours = !self.path.starts_with("/web/vendor/");
        ours && ["css", "js"]
            .iter()
            .any(|extension| self.file.extension() == Some(extension.as_ref()))
    }

    /// Writes what is in the file, and its compressed forms as far as they are smaller, under a name of theirs, and a row of
    /// the table, which stands beside them.
    fn pack(&self, folder: &Path, name: &str, table: &mut String) -> Result<(), Box<dyn Error>> {
        let mut bytes = fs::read(&self.file)?;
        if self.is_commented() {
            bytes = without_comments(std::str::from_utf8(&bytes)?).into_bytes();
        }
        let mut hash = format!("{:x}", Sha256::digest(&bytes));
        hash.truncate(HASH_DIGITS);
        let (path, media_type) = (&self.path, self.media_type);
        writeln!(
            table,
            "WebFile {{ path: {path:?}, media_type: {media_type:?}, hash: {hash:?},"
        )?;
        writeln!(table, "identity: include_bytes!({name:?}),")?;
        for (field, compressed) in [("brotli", brotli(&bytes)?), ("gzip", gzip(&bytes)?)] {
            if compressed.len() < bytes.len() {
                let name = format!("{name}.{field}");
                fs::write(folder.join(&name), compressed)?;
                writeln!(table, "{field}: Some(include_bytes!({name:?})),")?;
            } else {
                writeln!(table, "{field}: None,")?;
            }
        }
        fs::write(folder.join(name), bytes)?;
        writeln!(table, "}},")?;
        Ok(())
    }
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        size_hint: bytes.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut compressed, &parameters)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
