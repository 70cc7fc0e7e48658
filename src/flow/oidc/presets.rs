//! Providers that people use, as data.
//!
//! Not here, and why: Apple signs clients in with a JWT that expires and answers with a
//! form post when a name is asked for; neither is built. Facebook and X are no OpenID
//! providers. GitHub has [a flow of its own](crate::GitHub).

/// What is known of a provider.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The id in paths.
    pub id: &'static str,
    /// The issuer, exactly.
    pub issuer: &'static str,
    /// The scopes that name an account.
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

/// The issuer of one tenant of Microsoft Entra ID, by its id: a UUID, and not `common`,
/// behind which are all tenants of the world. Entra does not say `email_verified`: see
/// [`trust_email`](super::Oidc::trust_email), and trust the addresses of your own tenant alone.
pub fn microsoft(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}
