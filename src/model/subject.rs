//! The subject of a request, in the form for policy engines, services behind a gateway and
//! long-lived connections.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Impersonator, Session, SessionId, User, UserId};

/// The kind of a subject.
///
/// ```
/// use authlayer::{Subject, SubjectKind};
///
/// assert_eq!(Subject::service("billing").kind, SubjectKind::Service);
/// assert_eq!(Subject::anonymous().kind, SubjectKind::Anonymous);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SubjectKind {
    /// A registered user.
    User,
    /// A service.
    Service,
    /// An unauthenticated client or an anonymous user.
    #[default]
    Anonymous,
}

/// The subject of a request. It contains no tokens, no email address and no `app_metadata`.
///
/// ```
/// use authlayer::{AuthUser, Subject};
///
/// async fn can_export(user: AuthUser) -> String {
///     let subject: Subject = user.subject();
///     subject.scopes.contains(&"export".to_owned()).to_string()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// The kind.
    pub kind: SubjectKind,
    /// The id of the user or service; `None` for an unauthenticated client.
    pub id: Option<UserId>,
    /// The tenant.
    pub tenant_id: Option<String>,
    /// The session, if there is one.
    pub session_id: Option<SessionId>,
    /// The administrator who acts as the user, if the session is an impersonation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<Impersonator>,
    /// The roles.
    pub roles: Vec<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The attributes for policies, including the extra columns of a mapped table.
    pub attributes: Map<String, Value>,
    /// The owner of the API key that authenticated the request, with all roles and scopes of the
    /// user. Not serialized: policies behind a gateway receive only the key.
    #[serde(skip)]
    pub(crate) owner: Option<Box<Self>>,
}

impl Subject {
    /// Returns the subject of an unauthenticated request.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Creates the subject of a service, with a name defined by the application.
    pub fn service(id: impl Into<String>) -> Self {
        Self { kind: SubjectKind::Service, id: Some(UserId::new(id)), ..Self::default() }
    }

    /// Creates the subject of a user on a session.
    pub fn from_session(user: &User, session: &Session) -> Self {
        let needed = User {
            is_anonymous: user.is_anonymous,
            tenant_id: user.tenant_id.clone(),
            roles: user.roles.clone(),
            scopes: user.scopes.clone(),
            attributes: user.attributes.clone(),
            extra: user.extra.clone(),
            ..User::new(user.id.clone(), user.created_at)
        };
        Self { impersonator: session.impersonator.clone(), ..Self::from_user(needed, session.id) }
    }

    /// Like [`from_session`](Self::from_session), but consumes the user.
    pub(crate) fn from_user(user: User, session: SessionId) -> Self {
        let mut attributes = user.extra;
        attributes.extend(user.attributes);
        Self {
            kind: if user.is_anonymous { SubjectKind::Anonymous } else { SubjectKind::User },
            id: Some(user.id),
            tenant_id: user.tenant_id,
            session_id: Some(session),
            impersonator: None,
            roles: user.roles,
            scopes: user.scopes,
            attributes,
            owner: None,
        }
    }
}
