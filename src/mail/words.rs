//! What a message says in one language.

/// What a message says in one language. In `before` and `after`, `{minutes}` is how long the
/// code or the link is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The subject line.
    pub subject: &'static str,
    /// What stands before the code or the link.
    pub before: &'static str,
    /// What stands after it.
    pub after: &'static str,
}
