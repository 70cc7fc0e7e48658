//! The systems from which users are imported.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use crate::model::UserId;

/// The system from which [`Users::import_from`](crate::users::Users::import_from) imports users. The
/// [guide](crate::guide::migrate) has the command that exports a file for each of them.
///
/// ```
/// use authlayer::import::ImportSource;
///
/// let source: ImportSource = "better-auth".parse()?;
/// assert_eq!(source, ImportSource::BetterAuth);
/// # Ok::<_, authlayer::import::UnknownImportSource>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportSource {
    /// Lines of [`Users::export`](crate::users::Users::export).
    Authlayer,
    /// The tables of better-auth.
    BetterAuth,
    /// The bulk export of Auth0, and its export of password hashes.
    Auth0,
    /// `firebase auth:export` in JSON, with parameters of the project's password hashes that are not
    /// secret. The secret one is
    /// [`Password::firebase_signer_key`](crate::Password::firebase_signer_key).
    Firebase {
        /// `base64_salt_separator`.
        salt_separator: String,
        /// `rounds`.
        rounds: u32,
        /// `mem_cost`.
        mem_cost: u8,
    },
    /// The schema `auth` of Supabase.
    Supabase,
    /// `django.contrib.auth`, optionally with django-otp.
    Django,
    /// Devise.
    Devise {
        /// Whether `config.pepper` is set. Its value is
        /// [`Password::devise_pepper`](crate::Password::devise_pepper).
        peppered: bool,
    },
    /// ASP.NET Core Identity.
    AspNet,
    /// Laravel.
    Laravel,
    /// WordPress.
    WordPress,
    /// The export of a realm of Keycloak.
    Keycloak,
    /// A table in the form of the examples of axum-login.
    AxumLogin,
}

/// No source has this name.
///
/// ```
/// use authlayer::import::ImportSource;
///
/// let error = "myspace".parse::<ImportSource>().unwrap_err();
/// assert!(error.to_string().contains("keycloak"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImportSource(String);

impl ImportSource {
    /// The names of all sources.
    pub const NAMES: [&'static str; 12] = [
        "authlayer",
        "better-auth",
        "auth0",
        "firebase",
        "supabase",
        "django",
        "devise",
        "asp-net",
        "laravel",
        "wordpress",
        "keycloak",
        "axum-login",
    ];

    /// Returns Firebase with parameters of the project's password hashes.
    ///
    /// ```
    /// use authlayer::import::ImportSource;
    ///
    /// assert_eq!(ImportSource::firebase("Bw==", 8, 14).name(), "firebase");
    /// ```
    pub fn firebase(salt_separator: impl Into<String>, rounds: u32, mem_cost: u8) -> Self {
        Self::Firebase { salt_separator: salt_separator.into(), rounds, mem_cost }
    }

    /// Returns Devise, with `config.pepper` set or not.
    ///
    /// ```
    /// use authlayer::import::ImportSource;
    ///
    /// assert_eq!(ImportSource::devise(false), "devise".parse().unwrap());
    /// ```
    pub const fn devise(peppered: bool) -> Self {
        Self::Devise { peppered }
    }

    /// Returns the name of the source, which [`from_str`](Self::from_str) accepts.
    ///
    /// ```
    /// assert_eq!(authlayer::import::ImportSource::AspNet.name(), "asp-net");
    /// ```
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Authlayer => "authlayer",
            Self::BetterAuth => "better-auth",
            Self::Auth0 => "auth0",
            Self::Firebase { .. } => "firebase",
            Self::Supabase => "supabase",
            Self::Django => "django",
            Self::Devise { .. } => "devise",
            Self::AspNet => "asp-net",
            Self::Laravel => "laravel",
            Self::WordPress => "wordpress",
            Self::Keycloak => "keycloak",
            Self::AxumLogin => "axum-login",
        }
    }

    /// Returns the id that a user of this source gets: a UUID of version 8 that is derived from the
    /// name of the source and the id there. Use it to update references to the former ids.
    /// `app_metadata` of the user has both, as `import`.
    ///
    /// ```
    /// use authlayer::import::ImportSource;
    ///
    /// let id = ImportSource::Django.user_id("17");
    /// assert_eq!(id, ImportSource::Django.user_id("17"));
    /// assert_ne!(id, ImportSource::Laravel.user_id("17"));
    /// ```
    pub fn user_id(&self, id: &str) -> UserId {
        let digest = Sha256::new()
            .chain_update("authlayer import\0")
            .chain_update(self.name())
            .chain_update("\0")
            .chain_update(id)
            .finalize();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest) {
            *to = from;
        }
        UserId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
    }

    /// Returns `true` if the users are the array `users` of one JSON object.
    pub(super) const fn is_document(&self) -> bool {
        matches!(self, Self::Firebase { .. } | Self::Keycloak)
    }
}

/// Parses a name. Firebase has the parameters that it gives to new projects, and Devise no pepper.
impl FromStr for ImportSource {
    type Err = UnknownImportSource;

    fn from_str(name: &str) -> Result<Self, UnknownImportSource> {
        Ok(match name {
            "authlayer" => Self::Authlayer,
            "better-auth" => Self::BetterAuth,
            "auth0" => Self::Auth0,
            "firebase" => Self::firebase("Bw==", 8, 14),
            "supabase" => Self::Supabase,
            "django" => Self::Django,
            "devise" => Self::devise(false),
            "asp-net" => Self::AspNet,
            "laravel" => Self::Laravel,
            "wordpress" => Self::WordPress,
            "keycloak" => Self::Keycloak,
            "axum-login" => Self::AxumLogin,
            _ => return Err(UnknownImportSource(name.chars().take(64).collect())),
        })
    }
}

impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ImportSource::NAMES.join(", ");
        write!(f, "unknown import source {:?}: expected one of {names}", self.0)
    }
}

impl std::error::Error for UnknownImportSource {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_source() {
        for name in ImportSource::NAMES {
            assert_eq!(name.parse::<ImportSource>().unwrap().name(), name);
        }
    }

    #[test]
    fn ids_do_not_change_between_versions() {
        let id = ImportSource::Django.user_id("17");
        assert_eq!(id.as_str(), "0a26bdea-3747-844f-8127-b022be8b81c2");
        assert_eq!(id.as_str().as_bytes()[14], b'8');
    }
}
