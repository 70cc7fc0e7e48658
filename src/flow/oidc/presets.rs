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

/// Sign in with Slack, for the users of all workspaces. For one workspace,
/// [require](super::Oidc::require_claim) the claim `https://slack.com/team_id`.
pub const SLACK: Preset = Preset {
    id: "slack",
    issuer: "https://slack.com",
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

/// Returns the issuer of the authorization server `default` of an Okta organization, from its domain. The
/// issuer of the organization itself is the domain alone: `https://acme.okta.com`.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::okta("acme.okta.com");
/// assert_eq!(issuer, "https://acme.okta.com/oauth2/default");
/// let flow = Oidc::new("okta", issuer, "client-id");
/// ```
pub fn okta(domain: &str) -> String {
    format!("https://{domain}/oauth2/default")
}

/// Returns the issuer of a tenant of Auth0, from its domain or custom domain. It ends with a slash.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::auth0("acme.eu.auth0.com");
/// assert_eq!(issuer, "https://acme.eu.auth0.com/");
/// let flow = Oidc::new("auth0", issuer, "client-id");
/// ```
pub fn auth0(domain: &str) -> String {
    format!("https://{domain}/")
}

/// Returns the issuer of a realm of Keycloak 17 or later, from the URL of the server.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::keycloak("https://sso.acme.example", "staff");
/// assert_eq!(issuer, "https://sso.acme.example/realms/staff");
/// let flow = Oidc::new("keycloak", issuer, "client-id");
/// ```
pub fn keycloak(server: &str, realm: &str) -> String {
    format!("{}/realms/{realm}", server.trim_end_matches('/'))
}

/// Returns the issuer of a user pool of Amazon Cognito. The signed `email_verified` of the ID token
/// counts, not the text of the same name in UserInfo.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::cognito("eu-central-1", "eu-central-1_AbC123");
/// let host = "https://cognito-idp.eu-central-1.amazonaws.com";
/// assert_eq!(issuer, format!("{host}/eu-central-1_AbC123"));
/// let flow = Oidc::new("cognito", issuer, "client-id");
/// ```
pub fn cognito(region: &str, pool: &str) -> String {
    format!("https://cognito-idp.{region}.amazonaws.com/{pool}")
}

/// Returns the issuer of an instance of Zitadel, from its domain. If the request has a scope for the
/// audience of a project, the id of the project is an
/// [additional audience](super::Oidc::additional_audience).
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::zitadel("acme-a1b2c3.zitadel.cloud");
/// let flow = Oidc::new("zitadel", issuer, "client-id").additional_audience("project-id");
/// ```
pub fn zitadel(domain: &str) -> String {
    format!("https://{domain}")
}

/// Returns the issuer of an application of authentik, from the URL of the server and the slug of the
/// application. It ends with a slash. Since version 2025.10 authentik states `email_verified` as
/// `false` unless a property mapping says otherwise.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::presets};
///
/// let issuer = presets::authentik("https://id.acme.example", "notes");
/// assert_eq!(issuer, "https://id.acme.example/application/o/notes/");
/// let flow = Oidc::new("authentik", issuer, "client-id");
/// ```
pub fn authentik(server: &str, slug: &str) -> String {
    format!("{}/application/o/{slug}/", server.trim_end_matches('/'))
}
