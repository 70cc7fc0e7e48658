//! Who acts, in the one shape that policy engines, services behind a gateway and live
//! connections see.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Session, SessionId, User, UserId};

/// What sort of a subject somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SubjectKind {
    /// A person who said who they are.
    User,
    /// A program.
    Service,
    /// Nobody, or somebody of whom nothing is known.
    #[default]
    Anonymous,
}

/// Who acts. It holds no token, no address and nothing that only the application sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// Which sort.
    pub kind: SubjectKind,
    /// The id of the user or service; none for nobody.
    pub id: Option<UserId>,
    /// The tenant in which the subject works.
    pub tenant_id: Option<String>,
    /// The session, where there is one.
    pub session_id: Option<SessionId>,
    /// The roles.
    pub roles: Vec<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// What a policy may ask for, with the further columns of a mapped table.
    pub attributes: Map<String, Value>,
    /// The owner of the API key by which the subject came: it has every role and scope of the
    /// user. Not serialized: policies behind a gateway see the key alone.
    #[serde(skip)]
    pub(crate) owner: Option<Box<Self>>,
}

impl Subject {
    /// Nobody.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A program, by a name of the application's.
    pub fn service(id: impl Into<String>) -> Self {
        Self { kind: SubjectKind::Service, id: Some(UserId::new(id)), ..Self::default() }
    }

    /// A user on a session.
    pub fn of(user: &User, session: &Session) -> Self {
        let needed = User {
            is_anonymous: user.is_anonymous,
            tenant_id: user.tenant_id.clone(),
            roles: user.roles.clone(),
            scopes: user.scopes.clone(),
            attributes: user.attributes.clone(),
            extra: user.extra.clone(),
            ..User::new(user.id.clone(), user.created_at)
        };
        Self::from_user(needed, session.id)
    }

    /// The same, made of a user who is not used otherwise.
    pub(crate) fn from_user(user: User, session: SessionId) -> Self {
        let mut attributes = user.extra;
        attributes.extend(user.attributes);
        Self {
            kind: if user.is_anonymous { SubjectKind::Anonymous } else { SubjectKind::User },
            id: Some(user.id),
            tenant_id: user.tenant_id,
            session_id: Some(session),
            roles: user.roles,
            scopes: user.scopes,
            attributes,
            owner: None,
        }
    }
}
