//! Errors of the crate.
//!
//! An [`AuthError`] is opaque: its [`kind`](AuthError::kind) is public, its cause goes to the log
//! and never into a response. One table defines the code, status and title of each kind.

use std::{error::Error as StdError, fmt, sync::Arc};

use http::StatusCode;

use crate::model::name::is_name;

/// An error with the information that a client may see.
///
/// ```
/// use authlayer::{AuthError, ErrorKind};
///
/// let error = AuthError::new(ErrorKind::NotFound).with_detail("There is no such note.");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
#[derive(Clone, Debug)]
pub struct AuthError {
    kind: ErrorKind,
    detail: Option<&'static str>,
    members: Vec<(&'static str, serde_json::Value)>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    is_logged: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The kinds of [`AuthError`], each with a stable code (RFC 9457 §3).
        ///
        /// ```
        /// use authlayer::ErrorKind;
        ///
        /// assert_eq!(ErrorKind::NotFound.code(), "not_found");
        /// assert_eq!(ErrorKind::NotFound.status(), 404);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
            /// An error defined by a flow outside this crate, see [`ErrorKind::custom`].
            Custom(CustomError),
        }

        impl ErrorKind {
            /// All kinds that this crate defines.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the stable code on the wire, for example `invalid_credentials`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* Self::Custom(own) => own.code }
            }

            /// Returns the HTTP status of the response.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* Self::Custom(own) => own.status }
            }

            /// Returns the human-readable title, which is the same for every error of this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* Self::Custom(own) => own.title }
            }
        }
    };
}

kinds! {
    /// The request is malformed, for example not valid JSON or without a required query parameter.
    /// The client must correct the request.
    InvalidRequest = BAD_REQUEST, "invalid_request", "The request is malformed";
    /// The body is valid JSON but has missing members or members of a wrong type. The client must
    /// correct the members; nothing was changed.
    InvalidMembers = UNPROCESSABLE_ENTITY, "invalid_request", "The request is malformed";
    /// The request has no valid credentials. The client should let the user sign in.
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Sign in to continue";
    /// The request has an access token or API key that is unknown, expired or revoked, or its
    /// session has ended. The client should refresh the session, or let the user sign in.
    InvalidToken = UNAUTHORIZED, "unauthenticated", "Sign in to continue";
    /// No user has this combination of email address and password, or the user cannot sign in; the
    /// response does not disclose which. The client should let the user correct the input.
    InvalidCredentials = UNAUTHORIZED, "invalid_credentials", "The address or the password is wrong";
    /// The refresh token is unknown, forged, expired, revoked or already used; the response does
    /// not disclose which. The client should delete its tokens and let the user sign in.
    InvalidRefreshToken = UNAUTHORIZED, "invalid_refresh_token", "The session is no longer valid; sign in again";
    /// The session is bound to a key of the client, and the request has no proof of it. A browser that
    /// supports bound sessions refreshes the session itself; any other client should let the user sign
    /// in.
    DeviceProofRequired = UNAUTHORIZED, "device_proof_required", "This session can only be used on its device";
    /// The same for a session that is bound to a key of a program (RFC 9449). The client must send a
    /// proof of that key.
    DpopProofRequired = UNAUTHORIZED, "device_proof_required", "This session can only be used on its device";
    /// The proof of a key is malformed, or not one of this request, or was used before. The client must
    /// create a new one (RFC 9449 §4.2); nothing was changed.
    InvalidDpopProof = BAD_REQUEST, "invalid_dpop_proof", "The proof of the key is not valid";
    /// The same for a request of a session that is bound to a key; or the proof is of another key. The
    /// session is still valid.
    DpopProofRefused = UNAUTHORIZED, "invalid_dpop_proof", "The proof of the key is not valid";
    /// The access token is bound to a key and was presented by another scheme than `DPoP`, or it is not
    /// bound and was presented by that one, or it is not valid. The client should present it as its
    /// `token_type` says, refresh the session, or let the user sign in.
    DpopTokenRefused = UNAUTHORIZED, "unauthenticated", "Sign in to continue";
    /// A browser refreshes a bound session by a route of its own, and sent no proof to it. The response
    /// has the challenge that the browser signs.
    DeviceProofMissing = FORBIDDEN, "device_proof_required", "This session can only be used on its device";
    /// The proof of a key, with which a browser binds or refreshes a session, is not valid. The browser
    /// should try again with the challenge of the response, if it has one.
    InvalidDeviceProof = FORBIDDEN, "invalid_device_proof", "The proof of the device is not valid";
    /// The user is authenticated but not authorized for this request. The client should not repeat
    /// it.
    Forbidden = FORBIDDEN, "forbidden", "You are not allowed to do this";
    /// An administrator acts as the user, and an impersonation changes no credential, email address or
    /// account. The client should end the impersonation.
    Impersonating = FORBIDDEN, "impersonating", "Not possible while signed in as another user";
    /// The request requires recent authentication or an additional factor. The client should
    /// complete a step-up with one of the returned `methods` and repeat the request.
    StepUpRequired = FORBIDDEN, "step_up_required", "Verify your identity to continue";
    /// The request requires two factors, and the user has no second factor. The client should let
    /// the user add one of `setup` and repeat the request.
    SetupRequired = FORBIDDEN, "setup_required", "Add a second factor to continue";
    /// A browser sent the request from another site. Send it from an origin that is configured in
    /// the application.
    CrossOrigin = FORBIDDEN, "cross_origin", "The request was sent from another site";
    /// Sign-up is disabled, or the application rejected the new user. The client should offer
    /// sign-in only.
    SignUpDisabled = FORBIDDEN, "sign_up_disabled", "Sign-up is disabled";
    /// The current password, which a sensitive change requires, is wrong. The client should let the
    /// user enter it again.
    WrongPassword = FORBIDDEN, "wrong_password", "The password is wrong";
    /// The user already has a password. The client should change it with the current password, or
    /// reset it.
    PasswordExists = CONFLICT, "password_exists", "Your account already has a password";
    /// The challenge is unknown, used, expired, or out of attempts. The client should start the
    /// operation again.
    ChallengeExpired = UNAUTHORIZED, "challenge_expired", "The verification has expired; start again";
    /// The code is wrong, or a one-time code of a native application is used or expired. The client
    /// should let the user enter the code again, or start the sign-in again.
    InvalidCode = UNAUTHORIZED, "invalid_code", "The code is wrong";
    /// The link is unknown, used or expired. The client should let the user request a new one.
    InvalidLink = UNAUTHORIZED, "invalid_token", "The link is invalid or has expired";
    /// The link was opened in another browser than the one that requested it, or while another user
    /// is signed in. The client should show `address` and let the user confirm the sign-in.
    ConfirmRequired = CONFLICT, "confirm_required", "Confirm that you want to sign in here";
    /// A limit on failed attempts was exceeded. The client should wait for the time in
    /// `Retry-After`.
    TooManyAttempts = TOO_MANY_REQUESTS, "too_many_attempts", "Too many attempts; try again later";
    /// A limit on messages, new accounts or ceremonies was exceeded. The client should wait for the
    /// time in `Retry-After`.
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too many requests; try again later";
    /// The resource does not exist, or does not belong to the user. The client should not repeat
    /// the request.
    NotFound = NOT_FOUND, "not_found", "The resource was not found";
    /// The path does not support the method of the request. The client should use one of the
    /// methods in `Allow`.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not support this method";
    /// Another user has this email address. The client should let the user choose another one or
    /// sign in.
    EmailTaken = CONFLICT, "email_taken", "This email address is already in use";
    /// Another user has this username, or one that looks like it. The client should let the user
    /// choose another one.
    UsernameTaken = CONFLICT, "username_taken", "This username is already in use";
    /// The redirect target after a sign-in is not an allowed one. Allow it with
    /// [`AuthBuilder::allow_redirect`](crate::AuthBuilder::allow_redirect) or use a path of the
    /// application.
    InvalidRedirect = BAD_REQUEST, "invalid_redirect", "The redirect target is not allowed";
    /// The callback of a provider does not match a sign-in that was started in this browser, or
    /// that sign-in has expired. The client should start it again.
    InvalidState = BAD_REQUEST, "invalid_state", "The sign-in has expired; start again";
    /// An ID token that an application got from the provider is invalid: its signature, issuer,
    /// audience, time or nonce. The client should start the sign-in again.
    InvalidIdToken = BAD_REQUEST, "invalid_id_token", "The provider's token is not valid";
    /// The user or the provider denied the authorization. The client should offer another sign-in
    /// method.
    ProviderDenied = FORBIDDEN, "provider_denied", "The provider denied the sign-in";
    /// The provider did not respond, or its response is invalid. The client may try again; the log
    /// has the cause.
    ProviderError = BAD_GATEWAY, "provider_error", "The provider did not respond as expected";
    /// The email address is not verified, here or at the provider. The client should let the user
    /// verify it first.
    EmailNotVerified = FORBIDDEN, "email_not_verified", "Verify your email address first";
    /// An account with the provider's email address exists and is not linked to this identity. The
    /// client should let the user sign in to that account and link the identity there.
    AccountExists = CONFLICT, "account_exists", "Sign in to your account, then link this identity";
    /// The identity is linked to another user. Unlink it there first.
    IdentityTaken = CONFLICT, "identity_taken", "This identity is linked to another account";
    /// The user is disabled. The client should show that the account is disabled; an administrator
    /// can enable it.
    AccountDisabled = FORBIDDEN, "account_disabled", "This account is disabled";
    /// The change would leave no active user who is allowed to administer. The client should let the
    /// administrator give another user access first.
    LastAdmin = CONFLICT, "last_admin", "Make another user an administrator first";
    /// The credential to remove is the last sign-in method of the user. The client should let the
    /// user add another method first.
    LastCredential = CONFLICT, "last_credential", "Add another sign-in method first";
    /// The response of a passkey ceremony failed verification; the response of the server does not
    /// disclose why. The client should start the ceremony again; the event `passkey_refused` has
    /// the reason.
    InvalidPasskey = UNAUTHORIZED, "invalid_passkey", "The passkey was not accepted";
    /// A new passkey failed verification, for any reason. The client should start the registration
    /// again.
    UnusablePasskey = UNPROCESSABLE_ENTITY, "invalid_passkey", "The passkey was not accepted";
    /// The passkey is already registered. The client should let the user choose another
    /// authenticator.
    PasskeyTaken = CONFLICT, "passkey_taken", "This passkey is registered already";
    /// The user has no passkey that can be used here. The client should offer another sign-in
    /// method, or let the user add a passkey.
    NoPasskey = NOT_FOUND, "no_passkey", "Add a passkey first";
    /// The user has no authenticator app. The client should offer another factor, or let the user
    /// add an app.
    NoTotp = NOT_FOUND, "no_totp", "Add an authenticator app first";
    /// The user has the maximum number of factors of this kind. The client should let the user
    /// remove one first.
    TooManyFactors = CONFLICT, "too_many_factors", "Remove another one first";
    /// The user has no factor that this operation is for. The client should let the user add a
    /// second factor first.
    NoSecondFactor = CONFLICT, "no_second_factor", "Add a second factor first";
    /// Two-step verification is on because of a second factor. The client should let the user
    /// remove that factor first.
    SecondFactorEnrolled = CONFLICT, "second_factor_enrolled", "Remove your second factors first";
    /// The request body exceeds the maximum length. The client must send a shorter one.
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload_too_large", "The request is too large";
    /// The content type of the body is not `application/json`. The client must set it.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send application/json";
    /// The text is not a valid email address. The client should let the user correct it.
    InvalidEmail = UNPROCESSABLE_ENTITY, "invalid_email", "The email address is invalid";
    /// The password does not comply with the password policy. The client should show the returned
    /// `reasons` and let the user choose another password.
    WeakPassword = UNPROCESSABLE_ENTITY, "weak_password", "Choose another password";
    /// The token transport is disabled by [`TokenTransports`](crate::session::TokenTransports), or
    /// the operation requires a session in cookies. The client must use the other transport.
    TransportDisabled = UNPROCESSABLE_ENTITY, "transport_disabled", "This token transport is disabled";
    /// The application is not configured correctly, for example a required layer or mailer is
    /// missing. The log has the cause; fix the configuration.
    Misconfigured = INTERNAL_SERVER_ERROR, "internal", "Something went wrong";
    /// The storage mode of users or the configuration does not support the operation that `operation`
    /// names: for example, the users of a [`UserDirectory`](crate::UserDirectory) cannot be listed. The
    /// client should not offer it.
    Unsupported = NOT_IMPLEMENTED, "unsupported", "This service does not support the operation";
    /// The database, a source of users, or another required service does not respond, or a queue is
    /// full. The client should repeat the request later.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable; try again";
}

/// The code, status and title of an error that a flow outside this crate defines.
///
/// ```
/// use authlayer::ErrorKind;
/// use http::StatusCode;
///
/// const LOCKED: ErrorKind = ErrorKind::custom(StatusCode::LOCKED, "note_locked", "The note is locked");
/// assert!(matches!(LOCKED, ErrorKind::Custom(_)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomError {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
}

impl ErrorKind {
    /// Defines an error with its status, its code, and its human-readable title. The code has 1 to
    /// 32 lowercase letters, digits and `_`; in a `const`, a malformed code is a compile error.
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
    /// Panics if the code is malformed.
    pub const fn custom(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        assert!(is_name(code), "an error code is lower-case letters, digits and `_`");
        Self::Custom(CustomError { code, status, title })
    }
}

impl AuthError {
    /// Creates an error of this kind.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, detail: None, members: Vec::new(), cause: None, is_logged: false }
    }

    /// Creates the 503 `unavailable` of a failed dependency. The cause is logged and never sent to
    /// the client.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable).with_source(cause)
    }

    /// Sets the cause, which is logged and never sent to the client.
    #[must_use]
    pub fn with_source(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// Sets the `detail` of the response, a sentence that helps the client. It must not depend on
    /// the user.
    #[must_use]
    pub fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Adds an extension member to the response (RFC 9457 §3.2).
    #[must_use]
    pub fn with_extension(
        mut self,
        name: &'static str,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// Marks an error whose cause was logged once, so that it is not logged with each response.
    #[must_use]
    pub(crate) fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// Returns `true` if the cause was logged before.
    pub(crate) fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// Returns [`ErrorKind::Misconfigured`] with its cause.
    pub(crate) fn misconfigured(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Misconfigured).with_source(cause)
    }

    /// Returns [`ErrorKind::Unsupported`] with the name of the operation.
    pub(crate) fn unsupported(operation: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported).with_extension("operation", operation)
    }

    /// Returns the error for a username that is invalid, reserved, or not supported.
    pub(crate) fn invalid_username() -> Self {
        Self::new(ErrorKind::InvalidMembers).with_extension("members", vec!["username"])
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Returns the human-readable `title` of the response.
    pub fn title(&self) -> &'static str {
        self.kind.title()
    }

    /// Returns the `detail` of the response.
    pub fn detail(&self) -> Option<&'static str> {
        self.detail
    }

    /// Returns the extension members of the response.
    pub fn extensions(&self) -> &[(&'static str, serde_json::Value)] {
        &self.members
    }
}

/// Waits for work that follows a committed change, and logs its error. The change cannot be rolled
/// back, so the request must not fail because of it. Returns `None` after an error.
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
            tracing::warn!(?error, "the change is committed, but a follow-up task failed: {what}");
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
    fn equal_codes_have_equal_titles() {
        for one in ErrorKind::ALL {
            for two in ErrorKind::ALL.iter().filter(|two| two.code() == one.code()) {
                assert_eq!(one.title(), two.title());
            }
        }
    }

    #[test]
    fn sources_are_named_once() {
        let cause = std::io::Error::other("no route to 10.0.0.1:5432");
        let error = AuthError::new(ErrorKind::Unavailable).with_source(cause);
        assert_eq!(with_sources(&error), "unavailable: no route to 10.0.0.1:5432");
        let wrapped = AuthError::new(ErrorKind::Unavailable).with_source(error);
        assert_eq!(with_sources(&wrapped), "unavailable: no route to 10.0.0.1:5432");
    }
}
