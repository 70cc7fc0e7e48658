//! Presets for widely used providers.
//!
//! Apple is not supported: it requires a client secret in the form of a JWT that expires, and
//! responds with a form post if a name is requested. Providers that are not OpenID
//! providers have [presets of their own](crate::flow::oauth2::presets), and GitHub has
//! [its own flow](crate::GitHub).

/// The properties of a provider.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let flow = Oidc::preset(&presets::GITLAB, "client-id");
/// assert_eq!(presets::GITLAB.issuer, "https://gitlab.com");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The id in paths.
    pub id: &'static str,
    /// The exact issuer.
    pub issuer: &'static str,
    /// The scopes for a profile.
    pub scopes: &'static [&'static str],
}

/// Google.
pub const GOOGLE: Preset = Preset {
    id: "google",
    issuer: "https://accounts.google.com",
    scopes: &["openid", "profile", "email"],
};

/// GitLab.com.
pub const GITLAB: Preset =
    Preset { id: "gitlab", issuer: "https://gitlab.com", scopes: &["openid", "profile", "email"] };

/// Microsoft Entra ID for users of several organizations, which [`tenants`](super::Oidc::tenants) has
/// to list.
pub const MICROSOFT: Preset = Preset {
    id: "microsoft",
    issuer: "https://login.microsoftonline.com/organizations/v2.0",
    scopes: &["openid", "profile", "email"],
};

/// Returns the issuer of one tenant of Microsoft Entra ID. `tenant` is its UUID; for several,
/// use [`MICROSOFT`]. Entra does not send `email_verified`: see
/// [`assume_email_verified`](super::Oidc::assume_email_verified), and enable it only for your own tenant.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::microsoft("8eaef023-2b34-4da1-9baa-8bc8c9d6a490");
/// let flow = Oidc::new("microsoft", issuer, "client-id").assume_email_verified(true);
/// ```
pub fn microsoft(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}
