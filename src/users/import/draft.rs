//! A user as it was in another system.

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    provider::{KnownProvider, find},
    row::Row,
};

/// A user to import, and what could not be taken over from the record.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) email: Option<String>,
    pub(super) is_verified: bool,
    pub(super) verified_at: Option<Timestamp>,
    pub(super) phone: Option<String>,
    pub(super) phone_verified_at: Option<Timestamp>,
    pub(super) username: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) is_disabled: bool,
    pub(super) hash: Option<String>,
    pub(super) user_metadata: Map<String, Value>,
    pub(super) app_metadata: Map<String, Value>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) identities: Vec<Identity>,
    pub(super) apps: Vec<App>,
    pub(super) omissions: Vec<String>,
}

/// An identity at a provider.
pub(super) struct Identity {
    pub(super) provider: KnownProvider,
    pub(super) subject: String,
    pub(super) email: Option<String>,
    pub(super) username: Option<String>,
}

/// An authenticator app.
pub(super) struct App {
    pub(super) name: String,
    /// The secret in base32 without padding.
    pub(super) secret: String,
}

/// The columns that several systems have, each under its possible names. The names of the first
/// column are the ones in the guide.
pub(super) struct Columns {
    pub(super) id: &'static [&'static str],
    pub(super) email: &'static [&'static str],
    pub(super) verified: &'static [&'static str],
    pub(super) verified_at: &'static [&'static str],
    pub(super) username: &'static [&'static str],
    pub(super) name: &'static [&'static str],
    pub(super) avatar: &'static [&'static str],
    pub(super) phone: &'static [&'static str],
    pub(super) phone_verified: &'static [&'static str],
    pub(super) hash: &'static [&'static str],
    pub(super) roles: &'static str,
    pub(super) created_at: &'static [&'static str],
    pub(super) updated_at: &'static [&'static str],
}

/// Names that frameworks without a convention of their own use.
pub(super) const COLUMNS: Columns = Columns {
    id: &["id"],
    email: &["email"],
    verified: &["email_verified"],
    verified_at: &["email_verified_at", "confirmed_at"],
    username: &["username"],
    name: &["name", "display_name", "full_name"],
    avatar: &["avatar_url"],
    phone: &["phone", "phone_number"],
    phone_verified: &["phone_verified"],
    hash: &["password", "password_hash"],
    roles: "roles",
    created_at: &["created_at"],
    updated_at: &["updated_at"],
};

impl Draft {
    /// Reads the columns of a row.
    pub(super) fn read(row: &Row, columns: &Columns) -> Result<Self, String> {
        let created_at = row.time(columns.created_at);
        let verified_at = row.time(columns.verified_at);
        let is_phone_verified = row.flag(columns.phone_verified) == Some(true);
        Ok(Self {
            id: row.text(columns.id).ok_or("the id is missing")?,
            email: row.text(columns.email),
            is_verified: row.flag(columns.verified).unwrap_or(verified_at.is_some()),
            verified_at,
            phone: row.text(columns.phone),
            phone_verified_at: created_at.filter(|_| is_phone_verified),
            username: row.text(columns.username),
            display_name: row.text(columns.name),
            avatar_url: row.text(columns.avatar),
            roles: row.words(columns.roles),
            hash: row.text(columns.hash),
            created_at,
            updated_at: row.time(columns.updated_at),
            ..Self::default()
        })
    }

    /// Removes a username that is the email address.
    pub(super) fn without_email_as_username(mut self) -> Self {
        let is_email = |name: &String| {
            self.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(name))
        };
        self.username = self.username.take_if(|name| !is_email(name));
        self
    }

    /// Reports what is not taken over.
    pub(super) fn omit(&mut self, what: impl Into<String>) {
        self.omissions.push(what.into());
    }

    /// Adds an identity at a provider that the system calls by this name.
    pub(super) fn link(&mut self, provider: &str, subject: Option<String>, profile: &Row) {
        let Some(subject) = subject else {
            self.omit(format!("the identity at {} has no id", quoted(provider)));
            return;
        };
        let Some(provider) = find(provider) else {
            self.omit(format!("the issuer of the identity at {} is unknown", quoted(provider)));
            return;
        };
        if subject.contains('\n') || subject.len() > 255 {
            self.omit(format!("the id of the identity at {} is invalid", quoted(provider.id)));
            return;
        }
        let email = profile.text(&["email"]);
        let username = profile.text(&["username", "userName", "user_name", "nickname", "login"]);
        self.identities.push(Identity { provider, subject, email, username });
    }

    /// Adds an authenticator app with a secret in base32.
    pub(super) fn add_app(&mut self, name: Option<String>, base32: &str) {
        let text: String = base32.chars().filter(|c| !matches!(c, ' ' | '=' | '-')).collect();
        let secret = text.to_ascii_uppercase();
        let is_usable = BASE32_NOPAD.decode(secret.as_bytes()).is_ok_and(|own| own.len() >= 10);
        if is_usable {
            let name = name.unwrap_or_else(|| "Authenticator".to_owned());
            self.apps.push(App { name: name.chars().take(64).collect(), secret });
        } else {
            self.omit("the secret of the authenticator app is not in base32, or encrypted");
        }
    }

    /// Adds an authenticator app with a secret in hexadecimal.
    pub(super) fn add_app_hex(&mut self, name: Option<String>, hex: &str) {
        match HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) {
            Ok(secret) => self.add_app(name, &BASE32_NOPAD.encode(&secret)),
            Err(_) => self.omit("the secret of the authenticator app is not in hexadecimal"),
        }
    }
}

/// Returns a text of the file for a report: short, and without control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(64).collect::<String>())
}
