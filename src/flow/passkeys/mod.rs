//! Passkeys (WebAuthn Level 3) as a first factor, a second factor, and for step-up.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`rp_id`](Passkeys::rp_id) | the host of the first origin | every origin must have this domain or a subdomain; passkeys are bound to it permanently |
//! | [`require_discoverable`](Passkeys::require_discoverable) | required | users sign in without entering a name |
//! | [`require_user_verification`](Passkeys::require_user_verification) | required | a passkey is two factors because of it |
//! | [`max_per_user`](Passkeys::max_per_user) | 20 per user | limits lists and rows |
//! | [`allow_sign_up`](Passkeys::allow_sign_up) | off | creates accounts without a password; the email address is not verified |
//! | [`related_origin`](Passkeys::related_origin) | none | origins on other domains whose pages use the same passkeys |
//! | [`android_origin`](Passkeys::android_origin) | none | Android applications that use the same passkeys |
//! | [`management_page`](Passkeys::management_page) | none | the page for managing passkeys, for password managers |
//! | [`require_passkey_to_manage`](Passkeys::require_passkey_to_manage) | off | whether a user with a passkey must verify one to add or remove one |
//!
//! Attestation is `none`: the model of an authenticator is not collected. A passkey counts as two
//! factors because of user verification: without it, a stolen authenticator would be enough to sign
//! in. The flag of each response decides, never the option. If user verification is only preferred,
//! a response without it counts as a security key, one factor: the sign-in is pending if two-step
//! verification or the application requires a second one, and the same passkey completes it only with
//! user verification.
//!
//! A security key is registered with `"second_factor": true` and without user verification. It is a
//! second factor and a step-up, and never signs in by itself.
//!
//! A ceremony is valid once, for ten minutes, for its purpose and its user, and is deleted before
//! its response is verified. All failures get the same response, including an email address that is
//! not registered. `webauthn-rs` verifies the ceremonies; the remaining checks are in `check.rs`.

mod ceremony;
mod check;
mod factor;
mod flow;
mod kind;
mod list;
mod manage;
mod new_users;
mod options;
mod origins;
mod prove;
mod registered;
mod routes;
mod service;
mod sign_up;
mod verification;

pub use prove::StepUpTarget;
pub use service::{Ceremony, PasskeyService};

/// The options of the passkey flow.
///
/// ```
/// use authlayer::Passkeys;
///
/// let flow = Passkeys::new("Example").rp_id("example.com").allow_sign_up(true);
/// # drop(flow);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Passkeys {
    name: String,
    rp_id: Option<String>,
    resident_key: bool,
    user_verification: bool,
    most: u32,
    require_passkey_to_manage: bool,
    sign_up: bool,
    page: Option<String>,
    related: Vec<String>,
    android: Vec<String>,
}

impl Passkeys {
    /// Creates the flow for an application with this name, which is shown to users when they select
    /// a passkey.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rp_id: None,
            resident_key: true,
            user_verification: true,
            most: 20,
            require_passkey_to_manage: false,
            sign_up: false,
            page: None,
            related: Vec::new(),
            android: Vec::new(),
        }
    }

    /// Sets the domain that passkeys are bound to: the domain of the origins or a parent domain. An
    /// IP address cannot be one: at `http://127.0.0.1` and `http://[::1]`, passkeys are left out with a
    /// warning in the log, and their routes do not exist.
    pub fn rp_id(mut self, domain: impl Into<String>) -> Self {
        self.rp_id = Some(domain.into());
        self
    }

    /// Adds an origin on another domain whose pages use the same passkeys, such as
    /// `https://example.co.uk`. It must be an [`origin`](crate::AuthBuilder::origin) too. Browsers read
    /// the list at `/.well-known/webauthn` of the [`rp_id`](Self::rp_id), which
    /// [`Auth::well_known`](crate::Auth::well_known) serves, and accept at least five domains in it
    /// (WebAuthn Level 3 §5.11).
    ///
    /// ```
    /// # use authlayer::{Auth, Passkeys, SqliteStore};
    /// # async fn build(store: SqliteStore) -> Result<Auth, authlayer::ConfigError> {
    /// let passkeys = Passkeys::new("Example").related_origin("https://example.co.uk");
    /// let auth = Auth::builder(store)
    ///     .origin("https://example.com")
    ///     .origin("https://example.co.uk")
    ///     .flow(passkeys)
    ///     .build()?;
    /// # Ok(auth) }
    /// ```
    pub fn related_origin(mut self, origin: impl Into<String>) -> Self {
        self.related.push(origin.into());
        self
    }

    /// Adds an Android application that uses the same passkeys, by the origin that it sends:
    /// `android:apk-key-hash:` and the SHA-256 fingerprint of its signing certificate in unpadded
    /// base64url. Android also requires `/.well-known/assetlinks.json`, which the application serves.
    ///
    /// ```
    /// use authlayer::Passkeys;
    ///
    /// let hash = "android:apk-key-hash:A9Zt0Ig1wco_EozOrNHzGslBYwlrIPRFroQoW8CDLXI";
    /// let flow = Passkeys::new("Example").android_origin(hash);
    /// ```
    pub fn android_origin(mut self, origin: impl Into<String>) -> Self {
        self.android.push(origin.into());
        self
    }

    /// Sets whether a passkey must be discoverable, so that users sign in without a name. If
    /// `false`, that is preferred.
    pub fn require_discoverable(mut self, required: bool) -> Self {
        self.resident_key = required;
        self
    }

    /// Sets whether the authenticator must verify the user, with a PIN or biometrics. If `false`, that
    /// is preferred, for authenticators that cannot.
    ///
    /// ```
    /// use authlayer::Passkeys;
    /// let flow = Passkeys::new("Example").require_user_verification(false);
    /// ```
    ///
    /// # Security
    ///
    /// Without user verification, a stolen authenticator of a user without two-step verification is
    /// enough to sign in. Such a session has the factor `security_key`, which satisfies neither
    /// [`two_factor`](crate::RequireUser::two_factor) nor a guard that requires a passkey.
    pub fn require_user_verification(mut self, required: bool) -> Self {
        self.user_verification = required;
        self
    }

    /// Sets whether new users can sign up with an email address and a passkey, without a password.
    ///
    /// # Security
    ///
    /// The email address is not verified. If [`EmailCodes`](crate::EmailCodes) requires verification at
    /// sign-up, this sign-up is rejected.
    pub fn allow_sign_up(mut self, on: bool) -> Self {
        self.sign_up = on;
        self
    }

    /// Sets the path of the page for managing passkeys. Password managers find it at
    /// `/.well-known/passkey-endpoints`, which is served by
    /// [`Auth::well_known`](crate::Auth::well_known).
    pub fn management_page(mut self, path: impl Into<String>) -> Self {
        self.page = Some(path.into());
        self
    }

    /// Sets the maximum number of passkeys per user.
    pub fn max_per_user(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Sets whether a user with a passkey must have verified one recently to add or remove one. With
    /// [`require_user_verification(false)`](Self::require_user_verification), a passkey without user
    /// verification or a security key suffices.
    ///
    /// # Security
    ///
    /// If it is on, a passkey cannot be added with a stolen password, but a user who has lost all
    /// passkeys cannot remove them.
    pub fn require_passkey_to_manage(mut self, on: bool) -> Self {
        self.require_passkey_to_manage = on;
        self
    }
}
