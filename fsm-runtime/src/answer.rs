//! What methods named in a table may answer, where more than one type will do.
//!
//! Generated code converts through these traits so that rustc words a wrong answer in the table's
//! terms. They need only `core`: plain machines use them too.

use core::time::Duration;

/// What a method named in a deadline row may answer: a duration, or `None` for no limit.
#[diagnostic::on_unimplemented(
    message = "a method named in `after(..)` must return `Duration` or `Option<Duration>`, \
               not `{Self}`"
)]
pub trait IntoLimit {
    /// The limit, or `None` to wait without one.
    fn into_limit(self) -> Option<Duration>;
}

impl IntoLimit for Duration {
    fn into_limit(self) -> Option<Duration> {
        Some(self)
    }
}

impl IntoLimit for Option<Duration> {
    fn into_limit(self) -> Self {
        self
    }
}

/// What an action written with `?` must return.
#[diagnostic::on_unimplemented(
    message = "this action must return `Result<{T}, _>` with an error that becomes `{E}`, \
               not `{Self}`",
    label = "the row calls it with `?`"
)]
pub trait Fallible<T, E> {
    /// The answer as a result with the machine's own error.
    ///
    /// # Errors
    /// What the action failed with.
    fn into_result(self) -> Result<T, E>;
}

impl<T, E, F: Into<E>> Fallible<T, E> for Result<T, F> {
    #[inline]
    fn into_result(self) -> Result<T, E> {
        self.map_err(Into::into)
    }
}
