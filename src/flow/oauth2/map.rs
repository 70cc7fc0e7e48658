//! The members of a profile in the user info response.

use serde_json::Value;

use crate::provider::ProviderProfile;

/// Where the user info response of an OAuth 2.0 provider has the members of a profile, as JSON
/// pointers (RFC 6901).
///
/// ```
/// use authlayer::flow::oauth2::UserInfoMap;
///
/// // {"user": {"id": 4711, "names": ["Ada"], "mail": "ada@example.com", "confirmed": true}}
/// let map = UserInfoMap::new("/user/id")
///     .display_name("/user/names/0")
///     .email("/user/mail", "/user/confirmed");
/// # drop(map);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UserInfoMap {
    subject: String,
    /// The email address, and whether the provider has verified it.
    email: Option<(String, String)>,
    username: Option<String>,
    display_name: Option<String>,
    avatar_url: Option<String>,
}

impl UserInfoMap {
    /// Creates a map from the pointer to the user id: a string, or a whole number from −2⁶³ to
    /// 2⁶⁴−1, which becomes its decimal digits. A sign-in is rejected with `provider_error` if it is
    /// anything else.
    ///
    /// # Security
    ///
    /// The provider must never assign the subject to another user. A username or an email address is
    /// not a subject.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            email: None,
            username: None,
            display_name: None,
            avatar_url: None,
        }
    }

    /// Sets the pointers to the email address and to the member that states whether the provider has
    /// verified it. An address counts as verified only if that member is the JSON value `true`:
    /// otherwise no user is created (`email_not_verified`), and a linked identity can sign in.
    ///
    /// # Security
    ///
    /// Without a member that states it, the email address is not used: a user could enter that of
    /// another person at the provider.
    pub fn email(mut self, email: impl Into<String>, verified: impl Into<String>) -> Self {
        self.email = Some((email.into(), verified.into()));
        self
    }

    /// Sets the pointer to the username at the provider, which is stored with the identity.
    pub fn username(mut self, pointer: impl Into<String>) -> Self {
        self.username = Some(pointer.into());
        self
    }

    /// Sets the pointer to the display name of a new user.
    pub fn display_name(mut self, pointer: impl Into<String>) -> Self {
        self.display_name = Some(pointer.into());
        self
    }

    /// Sets the pointer to the URL of the picture of a new user.
    pub fn avatar_url(mut self, pointer: impl Into<String>) -> Self {
        self.avatar_url = Some(pointer.into());
        self
    }

    /// Returns a pointer that is not valid, if any.
    pub(super) fn invalid_pointer(&self) -> Option<&str> {
        let email = self.email.iter().flat_map(|(email, verified)| [email, verified]);
        let names = [&self.username, &self.display_name, &self.avatar_url];
        let mut all = [&self.subject].into_iter().chain(email).chain(names.into_iter().flatten());
        all.find(|pointer| !is_pointer(pointer)).map(String::as_str)
    }

    /// Returns the profile in a user info response, or `None` without a valid subject.
    pub(super) fn profile(&self, info: &Value) -> Option<ProviderProfile> {
        let text = |pointer: &String| info.pointer(pointer).and_then(Value::as_str);
        let mut profile = ProviderProfile::new(subject(info.pointer(&self.subject)?)?);
        if let Some((email, verified)) = &self.email
            && let Some(email) = text(email).filter(|text| !text.is_empty())
        {
            profile = profile.email(email, info.pointer(verified) == Some(&Value::Bool(true)));
        }
        let owned = |pointer: &Option<String>| {
            pointer.as_ref().and_then(text).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        profile.username = owned(&self.username);
        profile.display_name = owned(&self.display_name);
        profile.avatar_url = owned(&self.avatar_url);
        Some(profile)
    }
}

/// Returns the text of a user id. A number with a fraction or an exponent is not exact, so two users
/// could have the same one.
fn subject(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether a text is a JSON pointer that is not the whole document.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subjects_are_texts_and_whole_numbers() {
        let subject = |id: Value| {
            UserInfoMap::new("/id").profile(&json!({ "id": id })).map(|own| own.subject)
        };
        for (id, expected) in [
            (json!("4711"), Some("4711")),
            (json!(4711), Some("4711")),
            (json!(0), Some("0")),
            (json!(i64::MIN), Some("-9223372036854775808")),
            (json!(u64::MAX), Some("18446744073709551615")),
            (json!(4711.0), None),
            (json!(1e3), None),
            (json!(null), None),
            (json!(true), None),
            (json!(["4711"]), None),
            (json!({ "id": "4711" }), None),
        ] {
            assert_eq!(subject(id.clone()).as_deref(), expected, "{id}");
        }
        for text in ["18446744073709551616", "-9223372036854775809", "1e3", "9007199254740993.5"] {
            let info = serde_json::from_str(&format!(r#"{{"id":{text}}}"#)).unwrap();
            assert!(UserInfoMap::new("/id").profile(&info).is_none(), "{text}");
        }
        assert!(UserInfoMap::new("/id").profile(&json!({})).is_none());
        assert!(UserInfoMap::new("/0/id").profile(&json!([{ "id": 1 }])).is_some());
    }

    #[test]
    fn only_json_true_verifies_an_email_address() {
        let map = UserInfoMap::new("/id").email("/email", "/verified");
        for (verified, expected) in [
            (json!(true), true),
            (json!("true"), false),
            (json!(1), false),
            (json!(null), false),
            (json!(false), false),
        ] {
            let info = json!({ "id": 1, "email": "ada@example.com", "verified": verified });
            let profile = map.profile(&info).unwrap();
            assert_eq!(profile.email.as_deref(), Some("ada@example.com"));
            assert_eq!(profile.email_verified, expected, "{verified}");
        }
        for email in [json!(null), json!(""), json!(7)] {
            let info = json!({ "id": 1, "email": email, "verified": true });
            assert_eq!(map.profile(&info).unwrap().email, None);
        }
        let unstated = json!({ "id": 1, "email": "ada@example.com", "verified": true });
        assert_eq!(UserInfoMap::new("/id").profile(&unstated).unwrap().email, None);
    }

    #[test]
    fn pointers_are_checked() {
        for (pointer, valid) in [
            ("/id", true),
            ("/data/0/id", true),
            ("/a~1b/~0", true),
            ("/", true),
            ("", false),
            ("id", false),
            ("/a~2", false),
            ("/a~", false),
        ] {
            let invalid = UserInfoMap::new(pointer);
            assert_eq!(invalid.invalid_pointer().is_none(), valid, "{pointer}");
            let map = UserInfoMap::new("/id").email("/email", pointer);
            assert_eq!(map.invalid_pointer().is_none(), valid, "{pointer}");
            let map = UserInfoMap::new("/id").avatar_url(pointer);
            assert_eq!(map.invalid_pointer().is_none(), valid, "{pointer}");
        }
    }
}
