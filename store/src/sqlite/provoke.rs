//! The writer's panic that a test asks for. Compiled in only with debug assertions.

/// Panics, here, so that a log tells a panic that was asked for from others by its place.
pub(super) fn panic_as_asked() -> ! {
    panic!("a fault was asked for")
}
