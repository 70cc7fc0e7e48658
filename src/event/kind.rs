//! The kinds of events.

use crate::model::name;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// The kind of an [`Event`](crate::Event).
        ///
        /// ```
        /// use authlayer::EventKind;
        ///
        /// assert_eq!(EventKind::SignedIn.as_str(), "signed_in");
        /// assert_eq!(EventKind::from_name("signed_in"), Some(EventKind::SignedIn));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
            /// An event defined by the application or by a flow outside this crate, see
            /// [`EventKind::custom`].
            Custom(&'static str),
        }

        impl EventKind {
            /// Returns the stable name, for example `signed_in`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Custom(name) => name }
            }

            /// Returns the kind with this name, or `None` if no code in this process has defined
            /// it.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => name::registered(name).map(Self::Custom),
                }
            }
        }
    };
}

kinds! {
    /// A user signed up, or an anonymous user completed a sign-up; `detail.reason` is `anonymous`
    /// for a new anonymous user.
    SignedUp = "signed_up";
    /// A sign-up was rejected because the email address is registered.
    SignUpRefused = "sign_up_refused";
    /// A session was created.
    SignedIn = "signed_in";
    /// A sign-in failed; `detail.reason` is the cause.
    SignInFailed = "sign_in_failed";
    /// The user signed out of a session.
    SignedOut = "signed_out";
    /// Sessions were revoked from another device or by the application.
    SessionRevoked = "session_revoked";
    /// The tokens of a session were refreshed.
    Refreshed = "refreshed";
    /// A refresh token was rejected; `detail.reason` is the cause.
    RefreshRefused = "refresh_refused";
    /// A refresh token was used again after it had been replaced, which indicates theft.
    RefreshReused = "refresh_reused";
    /// A password was hashed again with current parameters at a sign-in.
    PasswordRehashed = "password_rehashed";
    /// A stored password hash has no supported format; the user cannot sign in with the password.
    PasswordHashUnusable = "password_hash_unusable";
    /// A cross-origin request of a browser was rejected; `detail.origin` and `detail.sec_fetch_site` are its
    /// headers, and `detail.configured` the origins of the application.
    CrossOriginRefused = "cross_origin_refused";
    /// An access token did not match the existing session that it names.
    AccessTokenRefused = "access_token_refused";
    /// A rate limit was exceeded; `detail.reason` is the code of the response.
    LimitReached = "limit_reached";
    /// Password sign-in is paused for a day on unknown devices, after too many consecutive
    /// failures.
    AccountLocked = "account_locked";
    /// A message could not be delivered; `detail.reason` names its kind.
    MailFailed = "mail_failed";
    /// A code or a link was requested; `detail.reason` names its purpose.
    ProofRequested = "proof_requested";
    /// A code, a link or a pending sign-in was rejected; `detail.reason` is the cause.
    ProofRefused = "proof_refused";
    /// The email address of a user was verified.
    EmailVerified = "email_verified";
    /// The email address of a user was changed.
    EmailChanged = "email_changed";
    /// A change of the email address was requested.
    EmailChangeRequested = "email_change_requested";
    /// The email address of an account was verified for the first time, and the credentials and
    /// sessions from before were deleted.
    AccountClaimed = "account_claimed";
    /// A change of the email address was reverted.
    EmailChangeUndone = "email_change_undone";
    /// The user changed the password, or the application or an administrator set it.
    PasswordChanged = "password_changed";
    /// A link that sets a new password was sent to the user.
    PasswordResetRequested = "password_reset_requested";
    /// The password was set with a reset link.
    PasswordReset = "password_reset";
    /// The user changed the profile.
    AccountUpdated = "account_updated";
    /// The user deleted the account.
    AccountDeleted = "account_deleted";
    /// A user was created; `detail.origin` is `sign_up`, `anonymous`, `administration` or `import`.
    /// [`Users::import`](crate::Users::import) records no events.
    UserCreated = "user_created";
    /// The application or an administrator changed a user; `detail.members` has the names of the
    /// changed members.
    UserUpdated = "user_updated";
    /// A user was disabled.
    UserDisabled = "user_disabled";
    /// A disabled user was enabled.
    UserEnabled = "user_enabled";
    /// The application or an administrator deleted a user.
    UserDeleted = "user_deleted";
    /// The application or an administrator changed the roles of a user; `detail.added` and
    /// `detail.removed` have the roles.
    RolesChanged = "roles_changed";
    /// A user was created, and a link to set the first password was sent.
    UserInvited = "user_invited";
    /// The application or an administrator removed a second factor or a passkey of a user;
    /// `detail.factor` is its kind.
    FactorRemovedByAdministrator = "factor_removed_by_administrator";
    /// An administrator revoked sessions of a user.
    SessionsRevokedByAdministrator = "sessions_revoked_by_administrator";
    /// An administrator began to act as a user; `detail.reason` is the reason that was given.
    ImpersonationBegan = "impersonation_began";
    /// An administrator no longer acts as a user.
    ImpersonationEnded = "impersonation_ended";
    /// A user signed in from a new device.
    NewDevice = "new_device";
    /// A new password was accepted while the check for breached passwords was unavailable.
    BreachCheckSkipped = "breach_check_skipped";
    /// An identity at a provider was linked to a user.
    IdentityLinked = "identity_linked";
    /// An identity at a provider was unlinked from a user.
    IdentityUnlinked = "identity_unlinked";
    /// A session was bound to a key of its browser.
    DeviceBound = "device_bound";
    /// A refresh of a bound session had a proof of another key: its cookies may have been stolen. The
    /// user is notified of the first one of a session.
    DeviceProofRefused = "device_proof_refused";
    /// A browser could not refresh a bound session; `detail.reason` is the cause that it reports.
    DeviceSkipped = "device_skipped";
    /// A passkey was added.
    PasskeyAdded = "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = "passkey_removed";
    /// A passkey ceremony failed; `detail.reason` is the cause.
    PasskeyRefused = "passkey_refused";
    /// The signature counter of a passkey decreased: the passkey may have been copied.
    PasskeyCloned = "passkey_cloned";
    /// A security key was added.
    SecurityKeyAdded = "security_key_added";
    /// A security key was removed.
    SecurityKeyRemoved = "security_key_removed";
    /// An authenticator app was added.
    TotpAdded = "totp_added";
    /// An authenticator app was removed.
    TotpRemoved = "totp_removed";
    /// Recovery codes were created, and earlier ones are no longer valid.
    RecoveryCodesCreated = "recovery_codes_created";
    /// A recovery code was used.
    RecoveryCodeUsed = "recovery_code_used";
    /// An account recovery was requested, and is available a day later.
    RecoveryRequested = "recovery_requested";
    /// An account recovery was stopped with the link in its message, and all sessions were revoked.
    RecoveryCancelled = "recovery_cancelled";
    /// The user turned two-step verification on or off; `detail.reason` is `on` or `off`.
    TwoStepChanged = "two_step_changed";
    /// A device was remembered: it is not asked for a second factor for a time.
    DeviceRemembered = "device_remembered";
    /// A remembered device was forgotten.
    DeviceForgotten = "device_forgotten";
    /// An API key was created.
    ApiKeyCreated = "api_key_created";
    /// An API key was revoked.
    ApiKeyRevoked = "api_key_revoked";
    /// A session completed a step-up.
    SteppedUp = "stepped_up";
    /// The policies allowed a request; `detail` has the action, the resource and the policies.
    PolicyAllowed = "policy_allowed";
    /// The policies denied a request; `detail` has the same members.
    PolicyRefused = "policy_refused";
    /// A guard rejected a request; `detail.reason` is the code of the response. Recorded only with
    /// [`record_access_denied`](crate::AuthBuilder::record_access_denied).
    AccessDenied = "access_denied";
    /// A sign-in with a provider was rejected; `detail.reason` is the cause.
    ProviderRefused = "provider_refused";
    /// A service asked for a token with a wrong credential, see
    /// [`Introspection`](crate::Introspection).
    IntrospectionRefused = "introspection_refused";
    /// A user approved or denied a program; `detail.client_id` names it, and `detail.approved` is the
    /// decision. See [`DeviceGrant`](crate::DeviceGrant).
    DeviceGrantDecided = "device_grant_decided";
    /// A provider ended the sessions that were created by it; `detail.reason` is `back_channel`.
    ProviderSignedOut = "provider_signed_out";
    /// A provider reported an event that ended the sessions of an identity; `detail.provider` is its id,
    /// and `detail.kind` the URI of the event. See
    /// [`Oidc::security_events`](crate::Oidc::security_events).
    ProviderAlarm = "provider_alarm";
    /// A provider verified that its security events arrive; `detail.provider` is its id.
    ProviderEventsVerified = "provider_events_verified";
    /// A route extracted no user, has no guard, and is not declared public; `detail.route` is its
    /// path. See [`AuthLayer::require_decision`](crate::AuthLayer::require_decision).
    UndecidedRoute = "undecided_route";
    /// A request had two credentials of the same kind.
    AmbiguousCredentials = "ambiguous_credentials";
    /// An event in the store whose kind only a newer version knows; `detail.kind` is its name.
    Other = "other";
}

impl EventKind {
    /// Defines an event by its name, which has 1 to 32 lowercase letters, digits and `_`. In a
    /// `const`, a malformed name is a compile error.
    ///
    /// # Panics
    ///
    /// Panics if the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(name::is_name(name), "an event name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }

    /// Returns `true` for the deletion of a user.
    pub(crate) fn is_deletion(self) -> bool {
        matches!(self, Self::AccountDeleted | Self::UserDeleted)
    }
}

impl EventKind {
    /// Returns whether the application or its operator should act.
    pub(super) fn is_warning(self) -> bool {
        matches!(
            self,
            Self::RefreshReused
                | Self::DeviceProofRefused
                | Self::AccountLocked
                | Self::MailFailed
                | Self::BreachCheckSkipped
                | Self::PasswordHashUnusable
                | Self::UndecidedRoute
        )
    }
}
