//! What is told of a panic: where it was, never its text, which may quote what people said.

use std::panic::{self, PanicHookInfo};

/// From now on a panic of any thread is one line of the log, and nothing else is written of it.
pub fn install() {
    panic::set_hook(Box::new(tell));
}

fn tell(panicked: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let location = panicked.location().map(tracing::field::display);
    tracing::error!(thread = thread.name(), location, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let default = panic::take_hook();
        install();
        tracing::subscriber::with_default(subscriber, || {
            let words = "my number is 010-1234-5678";
            panic::catch_unwind(|| panic!("cannot parse {words:?}")).unwrap_err();
        });
        panic::set_hook(default);
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(written.contains("a thread panicked"), "{written}");
        assert!(written.contains("src/panic_hook.rs:"), "{written}");
        assert!(
            written.contains("a_panic_is_told_by_its_place_alone"),
            "{written}"
        );
        assert!(
            !written.contains("parse") && !written.contains("010"),
            "{written}"
        );
    }
}
