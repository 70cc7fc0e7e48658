//! Every way in which the crate says no.
//!
//! An [`AuthError`] is opaque: its [`kind`](AuthError::kind) is public, its cause goes to
//! the log and never into an answer. Kind, code, status and title stand in one table.

use std::{error::Error as StdError, fmt, sync::Arc};

use http::StatusCode;

use crate::model::name::is_name;

/// What went wrong, with what a client may know about it.
#[derive(Clone, Debug)]
pub struct AuthError {
    kind: ErrorKind,
    detail: Option<&'static str>,
    members: Vec<(&'static str, serde_json::Value)>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The kinds of [`AuthError`], each with a stable code (RFC 9457 §3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
            /// An error that a flow outside this crate defines: [`ErrorKind::custom`].
            Custom(CustomError),
        }

        impl ErrorKind {
            /// Every kind of this crate.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name on the wire.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* Self::Custom(own) => own.code }
            }

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* Self::Custom(own) => own.status }
            }

            /// The sentence for a person, fixed for each code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* Self::Custom(own) => own.title }
            }
        }
    };
}

kinds! {
    /// The request could not be read.
    InvalidRequest = BAD_REQUEST, "invalid_request", "The request could not be read";
    /// The body was read but has missing members or members of a wrong type.
    InvalidMembers = UNPROCESSABLE_ENTITY, "invalid_request", "The request could not be read";
    /// Nobody is signed in.
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Sign in first";
    /// An access token was presented and is not good.
    InvalidToken = UNAUTHORIZED, "unauthenticated", "Sign in first";
    /// Address and password do not go together.
    InvalidCredentials = UNAUTHORIZED, "invalid_credentials", "The address or the password is wrong";
    /// The refresh token is not good, for whatever reason.
    InvalidRefreshToken = UNAUTHORIZED, "invalid_refresh_token", "Sign in again";
    /// The user may not do this.
    Forbidden = FORBIDDEN, "forbidden", "You may not do this";
    /// The session has to prove a factor, again or for the first time.
    StepUpRequired = FORBIDDEN, "step_up_required", "Prove once more who you are";
    /// A browser sent this from another site.
    CrossOrigin = FORBIDDEN, "cross_origin", "The request came from another site";
    /// Nobody may sign up here.
    SignUpDisabled = FORBIDDEN, "sign_up_disabled", "Signing up is turned off";
    /// The current password is wrong.
    WrongPassword = FORBIDDEN, "wrong_password", "The password is wrong";
    /// The user has a password already.
    PasswordExists = CONFLICT, "password_exists", "You have a password already";
    /// The handle is unknown, used, expired or out of attempts.
    ChallengeExpired = UNAUTHORIZED, "challenge_expired", "Begin again";
    /// The code is wrong.
    InvalidCode = UNAUTHORIZED, "invalid_code", "The code is wrong";
    /// The link is unknown, used or expired.
    InvalidLink = UNAUTHORIZED, "invalid_token", "The link is no longer good";
    /// Too many guesses.
    TooManyAttempts = TOO_MANY_REQUESTS, "too_many_attempts", "Too many attempts; try again later";
    /// Too many messages.
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too many requests; try again later";
    /// There is nothing here.
    NotFound = NOT_FOUND, "not_found", "There is nothing here";
    /// The path knows other methods.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take that method";
    /// Another user has this address.
    EmailTaken = CONFLICT, "email_taken", "This address has an account already";
    /// There is no such place to go after a sign-in.
    InvalidRedirect = BAD_REQUEST, "invalid_redirect", "This is no place to go after signing in";
    /// What came back from a provider does not belong to a sign-in that this browser began.
    InvalidState = BAD_REQUEST, "invalid_state", "Begin the sign-in again";
    /// The person or the provider said no.
    ProviderDenied = FORBIDDEN, "provider_denied", "The provider did not sign you in";
    /// The provider did not answer, or not as it must.
    ProviderError = BAD_GATEWAY, "provider_error", "The provider gave no usable answer; try again";
    /// The email address is not verified, here or at the provider.
    EmailNotVerified = FORBIDDEN, "email_not_verified", "Verify your email address first";
    /// The address has an account that this identity is not linked to.
    AccountExists = CONFLICT, "account_exists", "Sign in to your account first, then link this one";
    /// The identity belongs to another user.
    IdentityTaken = CONFLICT, "identity_taken", "Another account is linked to this one";
    /// The user may not sign in.
    AccountDisabled = FORBIDDEN, "account_disabled", "This account is turned off";
    /// What was to be removed is the last way in.
    LastCredential = CONFLICT, "last_credential", "Add another way to sign in first";
    /// What came of a passkey ceremony is not good, for whatever reason.
    InvalidPasskey = UNAUTHORIZED, "invalid_passkey", "The passkey was not accepted";
    /// A new passkey is not good, for whatever reason.
    UnusablePasskey = UNPROCESSABLE_ENTITY, "invalid_passkey", "The passkey was not accepted";
    /// The passkey is registered already.
    PasskeyTaken = CONFLICT, "passkey_taken", "This passkey is registered already";
    /// The user has no passkey.
    NoPasskey = NOT_FOUND, "no_passkey", "Add a passkey first";
    /// The body is longer than it may be.
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload_too_large", "The request is too large";
    /// The body is not JSON by its content type.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send application/json";
    /// This is no e-mail address.
    InvalidEmail = UNPROCESSABLE_ENTITY, "invalid_email", "This is not an e-mail address";
    /// The password is too easy to guess.
    WeakPassword = UNPROCESSABLE_ENTITY, "weak_password", "Choose another password";
    /// The transport asked for is turned off.
    TransportDisabled = UNPROCESSABLE_ENTITY, "transport_disabled", "This way of carrying tokens is turned off";
    /// The application is put together wrongly.
    Misconfigured = INTERNAL_SERVER_ERROR, "internal", "Something went wrong";
    /// A part that is needed does not answer.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment";
}

/// Code, status and title of an error that a flow outside this crate defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomError {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
}

impl ErrorKind {
    /// Defines an error: its status, a code of 1 to 32 lower-case letters, digits and `_`, and the
    /// fixed sentence for people. In a `const` a malformed code does not compile.
    ///
    /// ```
    /// use authlayer::ErrorKind;
    /// use http::StatusCode;
    /// const INVALID_PHONE: ErrorKind =
    ///     ErrorKind::custom(StatusCode::UNPROCESSABLE_ENTITY, "invalid_phone", "Not a phone number");
    /// ```
    ///
    /// # Panics
    ///
    /// If the code is malformed.
    pub const fn custom(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        assert!(is_name(code), "an error code is lower-case letters, digits and `_`");
        Self::Custom(CustomError { code, status, title })
    }
}

impl AuthError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, detail: None, members: Vec::new(), cause: None }
    }

    /// With the cause, which is logged and never answered.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// With a sentence that helps the client; the same for everybody.
    #[must_use]
    pub fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// With an extra member of the answer (RFC 9457 §3.2).
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the client.
    pub fn detail(&self) -> Option<&'static str> {
        self.detail
    }

    /// The extra members of the answer.
    pub fn members(&self) -> &[(&'static str, serde_json::Value)] {
        &self.members
    }
}

/// Waits for work that follows a committed change, and logs its error. The change cannot be taken
/// back, so the request must not fail for it. Returns `None` after an error.
///
/// A function that runs only after a commit uses this instead of `?`, and returns no `Result`.
pub(crate) async fn after_commit<T, E: Into<AuthError>>(
    what: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match work.await {
        Ok(done) => Some(done),
        Err(error) => {
            let error: AuthError = error.into();
            tracing::warn!(?error, "the change was made, but not everything after it: {what}");
            None
        }
    }
}

impl From<ErrorKind> for AuthError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.code())
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Returns the text of an error and of its sources, for a log. A source is left out if the text
/// before it ends with the same words, as that of many drivers does.
pub(crate) fn with_sources(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let source = error.to_string();
        if !text.ends_with(&source) {
            text.push_str(": ");
            text.push_str(&source);
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_has_one_title() {
        for one in ErrorKind::ALL {
            for two in ErrorKind::ALL.iter().filter(|two| two.code() == one.code()) {
                assert_eq!(one.title(), two.title());
            }
        }
    }

    #[test]
    fn sources_are_named_once() {
        let cause = std::io::Error::other("no route to 10.0.0.1:5432");
        let error = AuthError::new(ErrorKind::Unavailable).because(cause);
        assert_eq!(with_sources(&error), "unavailable: no route to 10.0.0.1:5432");
        let wrapped = AuthError::new(ErrorKind::Unavailable).because(error);
        assert_eq!(with_sources(&wrapped), "unavailable: no route to 10.0.0.1:5432");
    }
}
