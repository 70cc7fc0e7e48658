//! Tags of sessions.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    crypto::digest::{Digest, Domain},
    model::{CredentialTag, IdpSession, SessionId, UserId},
};

/// Longer tags are stored as a hash, since an index of PostgreSQL does not accept long values.
const MAX_LEN: usize = 512;

/// A tag of sessions, by which they are revoked together, such as the session at a provider or the
/// program that they belong to.
///
/// [`VerifiedFactor::tag`](crate::services::VerifiedFactor::tag) and
/// [`NewAccount::tag`](crate::services::NewAccount::tag) add tags to a new session, and
/// [`Sessions::revoke_tagged`](crate::session::Sessions::revoke_tagged) revokes by them. The
/// credentials on which a session was verified are tags by themselves.
///
/// ```
/// use authlayer::services::SessionTag;
///
/// let kiosk = SessionTag::new("kiosk", "entrance");
/// assert_ne!(kiosk, SessionTag::new("kiosk", "exit"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTag {
    text: String,
    credential: Option<(UserId, CredentialTag)>,
}

impl SessionTag {
    /// Creates the tag of a flow. Tags of two flows differ.
    ///
    /// ```
    /// # use authlayer::services::SessionTag;
    /// let program = SessionTag::new("device_grant", "tv-app");
    /// ```
    pub fn new(flow: &str, value: &str) -> Self {
        // The trigger of PostgreSQL replaces NUL in JSON.
        let is_kept = !value.contains('\0') && !value.contains("\\u0000");
        let is_name = flow.chars().all(is_name) && flow.len() + value.len() < MAX_LEN;
        let text = match is_name && is_kept {
            true => format!("{flow}/{value}"),
            false => {
                let both = format!("{}/{flow}/{value}", flow.len());
                format!("#{}", Digest::hash(Domain::TAG, both.as_bytes()).to_base64())
            }
        };
        Self { text, credential: None }
    }

    /// Creates the tag of what another session began, such as the sessions of programs that it
    /// approved. The session itself does not have it.
    ///
    /// ```
    /// # use authlayer::{SessionId, services::SessionTag};
    /// # fn doc(approved_by: SessionId) -> SessionTag {
    /// SessionTag::session(approved_by)
    /// # }
    /// ```
    pub fn session(id: SessionId) -> Self {
        Self { text: format!("#session/{id}"), credential: None }
    }

    /// Creates the tag of a credential of a user.
    pub(crate) fn of_credential(user: &UserId, id: &str) -> Self {
        let text = format!("#credential/{id}");
        Self { text, credential: Some((user.clone(), CredentialTag::of(id))) }
    }

    /// Returns the tag of the impersonations that a session of an administrator began.
    pub(crate) fn of_impersonator(session: SessionId) -> Self {
        Self { text: format!("#impersonator/{session}"), credential: None }
    }

    /// Returns the tag of the sessions of a subject of a provider. The issuer is given if it is not
    /// that of the provider.
    pub(crate) fn of_subject(provider: &str, issuer: Option<&str>, subject: &str) -> Self {
        Self::of_provider(provider, issuer, "subject", subject)
    }

    /// Returns the tag of the sessions that a session at a provider began.
    pub(crate) fn of_upstream(provider: &str, issuer: Option<&str>, session: &str) -> Self {
        Self::of_provider(provider, issuer, "session", session)
    }

    /// No issuer contains a line break.
    fn of_provider(provider: &str, issuer: Option<&str>, what: &str, value: &str) -> Self {
        let value = match issuer {
            Some(issuer) => format!("{provider}/issuer/{issuer}\n{what}/{value}"),
            None => format!("{provider}/{what}/{value}"),
        };
        Self::new("oauth", &value)
    }

    /// Creates the tag of what the sessions of a subject approved, such as the sessions of programs
    /// and approvals that are pending. An alarm of the provider ends them with these sessions; the
    /// end of such a session alone does not. A stored session does not have the issuer of its subject.
    pub(crate) fn of_approver(provider: &str, subject: &str) -> Self {
        Self::of_provider(provider, None, "approver", subject)
    }

    /// Returns the tag as it is stored.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the user of a credential, and how the proofs of its sessions identify it.
    pub(crate) fn proof(&self) -> Option<(&UserId, CredentialTag)> {
        self.credential.as_ref().map(|(user, own)| (user, *own))
    }
}

impl IdpSession {
    /// Returns the tags of a session that this one began.
    pub(crate) fn tags(&self) -> impl Iterator<Item = SessionTag> {
        let session = self.session.as_deref();
        let (provider, issuer) = (&self.provider, self.issuer.as_deref());
        let session = session.map(|own| SessionTag::of_upstream(provider, issuer, own));
        [SessionTag::of_subject(provider, issuer, &self.subject)].into_iter().chain(session)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

impl Serialize for SessionTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for SessionTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, credential: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_different_origin_differ() {
        let id = SessionId::from_bytes([1; 16]);
        let tags = [
            SessionTag::new("oauth", "corp"),
            SessionTag::of_subject("corp", None, "ada"),
            SessionTag::of_subject("corp", Some("https://a.example"), "ada"),
            SessionTag::of_subject("corp", Some("https://b.example"), "ada"),
            SessionTag::of_upstream("corp", Some("https://a.example"), "ada"),
            SessionTag::new("oauth/corp", "subject/ada"),
            SessionTag::of_approver("corp", "ada"),
            SessionTag::session(id),
            SessionTag::new("#session", &id.to_string()),
            SessionTag::new("", &format!("session/{id}")),
            SessionTag::of_credential(&UserId::new("u"), &id.to_string()),
            SessionTag::new("oauth", &"x".repeat(MAX_LEN)),
            SessionTag::new("oauth", &"x".repeat(MAX_LEN + 1)),
        ];
        for (n, tag) in tags.iter().enumerate() {
            assert!(tag.as_str().len() <= MAX_LEN, "{tag:?}");
            assert!(tags.iter().skip(n + 1).all(|other| other.as_str() != tag.as_str()), "{tag:?}");
        }
    }

    #[test]
    fn session_of_a_provider_has_the_tags_that_the_migration_writes() {
        let own = IdpSession {
            provider: "corp".to_owned(),
            subject: "ada".to_owned(),
            session: Some("7".to_owned()),
            issuer: None,
        };
        let tags: Vec<_> = own.tags().map(|tag| tag.as_str().to_owned()).collect();
        assert_eq!(tags, ["oauth/corp/subject/ada", "oauth/corp/session/7"]);
    }
}
