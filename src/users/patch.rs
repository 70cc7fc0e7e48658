//! Changes of a user as JSON Merge Patch.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::model::{User, UserStatus};

/// A change of a user: a JSON Merge Patch (RFC 7396) of the fields that an administrator can write.
/// An absent field is unchanged, `null` removes it, objects are merged, and lists are replaced.
///
/// The email address is not a member, since a change of it requires verification.
///
/// ```
/// use authlayer::UserPatch;
///
/// let patch: UserPatch = serde_json::from_str(r#"{ "display_name": "Ada", "avatar_url": null }"#)?;
/// assert_eq!(patch.display_name, Some(Some("Ada".to_owned())));
/// assert_eq!(patch.avatar_url, Some(None));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// The display name.
    #[serde(deserialize_with = "present")]
    pub display_name: Option<Option<String>>,
    /// The username.
    #[serde(deserialize_with = "present")]
    pub username: Option<Option<String>>,
    /// The URL of a picture.
    #[serde(deserialize_with = "present")]
    pub avatar_url: Option<Option<String>>,
    /// The phone number. A new number is unverified.
    #[serde(deserialize_with = "present")]
    pub phone: Option<Option<String>>,
    /// The tenant.
    #[serde(deserialize_with = "present")]
    pub tenant_id: Option<Option<String>>,
    /// The roles.
    #[serde(deserialize_with = "present")]
    pub roles: Option<Option<Vec<String>>>,
    /// The scopes.
    #[serde(deserialize_with = "present")]
    pub scopes: Option<Option<Vec<String>>>,
    /// The status. Disabling a user ends all their sessions.
    pub status: Option<UserStatus>,
    /// The attributes, which are merged.
    #[serde(deserialize_with = "present")]
    pub attributes: Option<Option<Map<String, Value>>>,
    /// The metadata that the user can write, which are merged.
    #[serde(deserialize_with = "present")]
    pub user_metadata: Option<Option<Map<String, Value>>>,
    /// The metadata that only the application can read, which are merged.
    #[serde(deserialize_with = "present")]
    pub app_metadata: Option<Option<Map<String, Value>>>,
}

/// Distinguishes `null` from an absent member.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl UserPatch {
    pub(crate) fn apply(&self, user: &mut User) {
        if let Some(phone) = &self.phone
            && *phone != user.phone
        {
            user.phone_verified_at = None;
        }
        for (wanted, own) in [
            (&self.display_name, &mut user.display_name),
            (&self.username, &mut user.username),
            (&self.avatar_url, &mut user.avatar_url),
            (&self.phone, &mut user.phone),
            (&self.tenant_id, &mut user.tenant_id),
        ] {
            if let Some(wanted) = wanted {
                own.clone_from(wanted);
            }
        }
        for (wanted, own) in [(&self.roles, &mut user.roles), (&self.scopes, &mut user.scopes)] {
            if let Some(wanted) = wanted {
                *own = wanted.clone().unwrap_or_default();
            }
        }
        user.status = self.status.unwrap_or(user.status);
        for (wanted, own) in [
            (&self.attributes, &mut user.attributes),
            (&self.user_metadata, &mut user.user_metadata),
            (&self.app_metadata, &mut user.app_metadata),
        ] {
            match wanted {
                None => {}
                Some(None) => own.clear(),
                Some(Some(wanted)) => merge(own, wanted),
            }
        }
    }
}

/// Applies a merge patch (RFC 7396 §2).
fn merge(own: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                own.remove(name);
            }
            Value::Object(patch) => {
                let inner = own.entry(name).or_insert(Value::Null);
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    merge(inner, patch);
                }
            }
            value => {
                own.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc_7396_appendix_a_examples() {
        for (own, patch, merged) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let (mut own, patch) = (own.as_object().unwrap().clone(), patch);
            merge(&mut own, patch.as_object().unwrap());
            assert_eq!(Value::Object(own), merged, "{patch}");
        }
    }

    #[test]
    fn null_differs_from_absent() {
        let none: UserPatch = serde_json::from_value(json!({})).unwrap();
        assert_eq!(none, UserPatch::default());
        let removes: UserPatch = serde_json::from_value(json!({"tenant_id": null})).unwrap();
        assert_eq!(removes.tenant_id, Some(None));
        assert!(serde_json::from_value::<UserPatch>(json!({"email": "a@b.c"})).is_err());
    }
}
