//! The description of one method of a route.

use axum::routing::MethodFilter;

use super::{Member, Success};
use crate::error::ErrorKind;

/// A method of a route: its name, the parameters of its query, its responses, and the problems of
/// its own. Those that follow from its extractors are added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) method: MethodFilter,
    /// The `operationId`: a verb and a noun. It never changes.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [Member],
    /// The members of the body, if it is a form.
    pub(crate) form: &'static [Member],
    pub(crate) successes: &'static [Success],
    pub(crate) problems: &'static [ErrorKind],
    pub(crate) credential: Credential,
    pub(crate) errors: ErrorForm,
}

/// The credential of a route whose extractors require none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// As the extractors require.
    Extracted,
    /// A session, if the request has one.
    OptionalSession,
    /// The refresh cookie, or a refresh token in the body.
    RefreshToken,
    /// The cookie of a pending sign-in, or a session, or a challenge in the body.
    Challenge,
    /// Any token of a session, valid or not.
    AnyToken,
    /// HTTP Basic authentication of a service.
    Basic,
}

/// The form of the errors of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ErrorForm {
    /// Problem documents (RFC 9457).
    Problem,
    /// Objects with a code: their form, and the codes of each status.
    Codes(ErrorBody, &'static [(u16, &'static [&'static str])]),
    /// A status with the code in `X-Auth-Error`, except 404.
    Header,
}

/// The form of an error with a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorBody {
    pub(crate) about: &'static str,
    /// The name of the member with the code.
    pub(crate) code: &'static str,
    /// Whether there is a description.
    pub(crate) is_described: bool,
}

/// Errors of OAuth (RFC 6749 §5.2).
const OAUTH: ErrorBody =
    ErrorBody { about: "An error of OAuth (RFC 6749 §5.2).", code: "error", is_described: false };

impl Operation {
    pub(crate) const fn get(id: &'static str, summary: &'static str) -> Self {
        Self::new(MethodFilter::GET, id, summary)
    }

    pub(crate) const fn post(id: &'static str, summary: &'static str) -> Self {
        Self::new(MethodFilter::POST, id, summary)
    }

    pub(crate) const fn put(id: &'static str, summary: &'static str) -> Self {
        Self::new(MethodFilter::PUT, id, summary)
    }

    pub(crate) const fn patch(id: &'static str, summary: &'static str) -> Self {
        Self::new(MethodFilter::PATCH, id, summary)
    }

    pub(crate) const fn delete(id: &'static str, summary: &'static str) -> Self {
        Self::new(MethodFilter::DELETE, id, summary)
    }

    const fn new(method: MethodFilter, id: &'static str, summary: &'static str) -> Self {
        let (successes, problems): (&[Success], &[ErrorKind]) = (&[], &[]);
        let credential = Credential::Extracted;
        let (query, form): (&[Member], &[Member]) = (&[], &[]);
        let errors = ErrorForm::Problem;
        Self { method, id, summary, query, form, successes, problems, credential, errors }
    }

    /// Sets the parameters of the query.
    pub(crate) const fn query(self, query: &'static [Member]) -> Self {
        Self { query, ..self }
    }

    /// Sets the members of the body, if it is a form.
    pub(crate) const fn form(self, form: &'static [Member]) -> Self {
        Self { form, ..self }
    }

    /// Sets the responses without an error.
    pub(crate) const fn returns(self, successes: &'static [Success]) -> Self {
        Self { successes, ..self }
    }

    /// Sets the problems that do not follow from the extractors.
    pub(crate) const fn fails(self, problems: &'static [ErrorKind]) -> Self {
        Self { problems, ..self }
    }

    /// A session is used if the request has one.
    pub(crate) const fn optional_session(self) -> Self {
        Self { credential: Credential::OptionalSession, ..self }
    }

    /// The credential is a refresh token, in its cookie or in the body.
    pub(crate) const fn refresh_token(self) -> Self {
        Self { credential: Credential::RefreshToken, ..self }
    }

    /// The credential is a challenge, in the body or in the cookie of a pending sign-in, or a
    /// session.
    pub(crate) const fn challenge(self) -> Self {
        Self { credential: Credential::Challenge, ..self }
    }

    /// The credential is any token of a session, which need not be valid.
    pub(crate) const fn any_token(self) -> Self {
        Self { credential: Credential::AnyToken, ..self }
    }

    /// Sets that a service authenticates with HTTP Basic authentication.
    pub(crate) const fn basic(self) -> Self {
        Self { credential: Credential::Basic, ..self }
    }

    /// Sets the errors of a route for OAuth clients that takes a form: the ones that all of them have,
    /// with a limit by network.
    pub(crate) const fn oauth_form_errors(self) -> Self {
        self.oauth_errors(&[
            (400, &["invalid_request"]),
            (401, &["invalid_client"]),
            (413, &["invalid_request"]),
            (415, &["invalid_request"]),
            (429, &["slow_down"]),
            (500, &["server_error"]),
            (503, &["temporarily_unavailable"]),
        ])
    }

    /// Sets the errors of a route whose errors are those of OAuth.
    pub(crate) const fn oauth_errors(
        self,
        errors: &'static [(u16, &'static [&'static str])],
    ) -> Self {
        Self { errors: ErrorForm::Codes(OAUTH, errors), ..self }
    }

    /// Sets that errors have no body, and their code in a header.
    pub(crate) const fn errors_in_header(self) -> Self {
        Self { errors: ErrorForm::Header, ..self }
    }
}
