//! The identity providers whose issuer is the same for every application.

/// An identity provider: its id in the flows of this crate, and its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownProvider {
    pub(super) id: &'static str,
    pub(super) issuer: &'static str,
}

/// Returns the provider that other systems call by this name. Microsoft is not among them: its
/// issuer has the id of the user's tenant, which exports do not contain.
pub(super) fn find(name: &str) -> Option<KnownProvider> {
    let (id, issuer) = match name.to_ascii_lowercase().as_str() {
        "google" | "google-oauth2" | "google_oauth2" | "google.com" => {
            ("google", "https://accounts.google.com")
        }
        "github" | "github.com" => ("github", "https://github.com"),
        "apple" | "apple.com" => ("apple", "https://appleid.apple.com"),
        "gitlab" | "gitlab.com" => ("gitlab", "https://gitlab.com"),
        _ => return None,
    };
    Some(KnownProvider { id, issuer })
}
