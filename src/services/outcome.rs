//! What a proof answers.

use jiff::Timestamp;

use crate::{crypto::token::PlainToken, model::User, session::Issued};

/// What a request for a proof answers: not a session, and good for nothing but the proof.
#[derive(Debug)]
pub struct Pending {
    /// The secret of the client that began.
    pub handle: PlainToken,
    /// By what it can be proved.
    pub methods: Vec<&'static str>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When another message may be asked for.
    pub resend_at: Option<Timestamp>,
}

/// What came of a sign-in or of a proof.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Signed in.
    Complete(Box<(User, Issued)>),
    /// Something is still to be proved.
    Pending(Pending),
}

impl Outcome {
    pub(crate) fn complete(user: User, issued: Issued) -> Self {
        Self::Complete(Box::new((user, issued)))
    }
}
