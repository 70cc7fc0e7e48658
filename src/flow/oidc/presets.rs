//! Presets for widely used providers.
//!
//! Providers that are not OpenID providers have [presets of their own](crate::flow::oauth2::presets), and GitHub has
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
    /// Whether the provider posts its response as a form.
    pub form_post: bool,
}

/// Sign in with Apple, which requires [`apple_key`](super::Oidc::apple_key). Apple states the name once,
/// at the first sign-in; an email address may be a relay of Apple.
pub const APPLE: Preset = Preset {
    id: "apple",
    issuer: "https://appleid.apple.com",
    scopes: &["openid", "name", "email"],
    form_post: true,
};

/// Google.
pub const GOOGLE: Preset = Preset {
    id: "google",
    issuer: "https://accounts.google.com",
    scopes: &["openid", "profile", "email"],
    form_post: false,
};

/// GitLab.com.
pub const GITLAB: Preset = Preset {
    id: "gitlab",
    issuer: "https://gitlab.com",
    scopes: &["openid", "profile", "email"],
    form_post: false,
};

/// Microsoft Entra ID for users of several organizations, which [`tenants`](super::Oidc::tenants) has
/// to list.
pub const MICROSOFT: Preset = Preset {
    id: "microsoft",
    issuer: "https://login.microsoftonline.com/organizations/v2.0",
    scopes: &["openid", "profile", "email"],
    form_post: false,
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
