//! The profile of a user at a provider.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::tokens::ProviderTokens;
use crate::error::ErrorKind;

/// The profile of a user at a provider.
///
/// ```
/// use authlayer::flow::ProviderProfile;
///
/// let ada = ProviderProfile::new("4711")
///     .email("ada@example.com", true)
///     .display_name("Ada Lovelace");
/// # let _ = ada;
/// ```
///
/// # Security
///
/// The subject must never be assigned to another user by the provider: a user who has it signs in.
/// An email address, a username or a name is not a subject.
#[derive(Clone, Default)]
#[must_use]
pub struct ProviderProfile {
    pub(crate) subject: String,
    /// The issuer of the subject, if it is not that of the provider.
    pub(crate) issuer: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    /// The reason why this profile cannot create a user, if any. A linked identity can sign in
    /// nevertheless.
    pub(crate) newcomer: Option<ErrorKind>,
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    /// The name of a new user for whom the provider states none: what the application sent with an
    /// ID token. It is not stored with the identity.
    pub(crate) given_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) locale: Option<String>,
    /// The time at which the user authenticated at the provider, if it was requested and verified.
    pub(crate) proved_at: Option<Timestamp>,
    /// Whether the provider verified several factors, and the flow trusts it.
    pub(crate) is_multi_factor: bool,
    /// The id of the session at the provider.
    pub(crate) session: Option<String>,
    /// The ID token, if it is retained.
    pub(crate) id_token: Option<Zeroizing<String>>,
    /// The response of the token endpoint, until it is handed to the application.
    pub(crate) tokens: Option<ProviderTokens>,
}

impl ProviderProfile {
    /// Creates a profile from the user id at the provider: at most 255 characters without control
    /// characters.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// Sets the issuer of the subject, for a provider with one issuer per tenant; by default it is
    /// [`Provider::issuer`](crate::Provider::issuer). An empty one, one with control characters and
    /// that of another provider of the application are rejected.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the email address, and whether the provider has verified it. With an address that is
    /// not verified, no user is created (`email_not_verified`); a linked identity can sign in.
    ///
    /// # Security
    ///
    /// A new user has a verified address as their own. Pass `true` only if the provider sends a
    /// message to the address and waits for an answer before it returns it.
    pub fn email(mut self, email: impl AsRef<str>, verified: bool) -> Self {
        self.email = Some(ascii_domain(email.as_ref()));
        self.email_verified = verified;
        self
    }

    /// Sets the username at the provider, which is stored with the identity.
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// Sets the display name of a new user.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Sets the picture of a new user. A URL that is not `https` is ignored.
    pub fn avatar_url(mut self, url: impl Into<String>) -> Self {
        self.avatar_url = Some(url.into());
        self
    }

    /// Sets the language of a new user (BCP 47), which messages to the user are written in.
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }

    /// Sets the time at which the user authenticated at the provider.
    ///
    /// # Security
    ///
    /// It counts as recent authentication. The provider must have stated it in a response that was
    /// verified, for a request that asked for it.
    pub fn authenticated_at(mut self, at: Timestamp) -> Self {
        self.proved_at = Some(at);
        self
    }

    /// Sets whether the provider verified a second factor that is accepted in place of one here.
    pub fn multi_factor(mut self, verified: bool) -> Self {
        self.is_multi_factor = verified;
        self
    }

    /// Sets the id of the session at the provider, by which a logout token can name it.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session = Some(id.into());
        self
    }

    /// Stores the ID token for the lifetime of the session, for
    /// [`Provider::end_session_url`](crate::Provider::end_session_url).
    pub fn id_token(mut self, token: impl Into<String>) -> Self {
        self.id_token = Some(Zeroizing::new(token.into()));
        self
    }

    /// Sets the tokens of the provider, for the [`TokenSink`](crate::TokenSink) of the flow. They
    /// are not stored.
    ///
    /// ```
    /// use authlayer::flow::{ProviderProfile, ProviderTokens};
    /// let ada = ProviderProfile::new("4711").tokens(ProviderTokens::new("access token"));
    /// # drop(ada);
    /// ```
    pub fn tokens(mut self, tokens: ProviderTokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Returns `true` if the subject can be stored.
    pub(crate) fn has_subject(&self) -> bool {
        (1..=MAX_SUBJECT_LEN).contains(&self.subject.len())
            && !self.subject.chars().any(char::is_control)
    }
}

/// The email address and the names are personal data, the ID token is a secret.
impl fmt::Debug for ProviderProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderProfile").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Converts the domain of an email address to ASCII (UTS #46), the form in which email addresses
/// are stored. An address that cannot be converted is returned unchanged and rejected later.
pub(crate) fn ascii_domain(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@').filter(|_| !address.is_ascii()) else {
        return address.to_owned();
    };
    match idna::domain_to_ascii(domain) {
        Ok(domain) => format!("{local}@{domain}"),
        Err(_) => address.to_owned(),
    }
}

const MAX_SUBJECT_LEN: usize = 255;
