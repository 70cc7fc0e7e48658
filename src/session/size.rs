//! The memory size of cached sessions.

use serde_json::{Map, Value};

use crate::model::{FactorProof, Session, User};

/// Returns the estimated heap size of a session, in bytes.
pub(super) fn of_session(session: &Session) -> usize {
    let client = [&session.client.ip, &session.client.user_agent];
    let upstream = session.upstream.as_ref().map_or(0, |from| {
        let optional = [&from.session, &from.issuer].into_iter().flatten();
        from.provider.len() + from.subject.len() + optional.map(String::len).sum::<usize>()
    });
    let factors = session.factors.capacity() * size_of::<FactorProof>();
    client.into_iter().flatten().map(String::len).sum::<usize>()
        + session.user_id.as_str().len()
        + session.binding().map_or(0, |own| own.thumbprint().len() + own.jwk().map_or(0, of_value))
        + upstream
        + factors
}

/// Returns the estimated heap size of a user, in bytes.
pub(super) fn of_user(user: &User) -> usize {
    let texts =
        [&user.phone, &user.username, &user.display_name, &user.avatar_url, &user.tenant_id];
    let lists = [&user.roles, &user.scopes];
    let maps = [&user.attributes, &user.user_metadata, &user.app_metadata, &user.extra];
    user.id.as_str().len()
        + user.email.as_ref().map_or(0, |email| email.as_str().len())
        + texts.into_iter().flatten().map(String::len).sum::<usize>()
        + lists.into_iter().flatten().map(|text| text.len() + size_of::<String>()).sum::<usize>()
        + maps.into_iter().map(of_map).sum::<usize>()
}

fn of_map(map: &Map<String, Value>) -> usize {
    map.iter().map(|(name, value)| name.len() + size_of::<String>() + of_value(value)).sum()
}

fn of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(all) => all.iter().map(of_value).sum(),
            Value::Object(map) => of_map(map),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
