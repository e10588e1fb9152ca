//! The journal, its read models and the blobs, on SQLite and the local disk.
