//! Parameters of an authorization request that a link to `start` can add.

/// The parameters that [`Oidc::auth_param`](crate::Oidc::auth_param) and
/// [`OAuth2::auth_param`](crate::OAuth2::auth_param) cannot set.
pub(crate) const OWN_PARAMS: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "request",
    "request_uri",
];

/// The maximum length of a `login_hint` in bytes: the longest email address (RFC 3696, erratum).
const MAX_HINT_LEN: usize = 320;

/// The parameters that a link to `start` can add to the authorization request.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedParams {
    pub(crate) login_hint: bool,
    pub(crate) prompts: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

/// The additional parameters of one authorization request.
#[derive(Clone, Default)]
pub(crate) struct RequestedParams {
    pub(crate) login_hint: Option<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

impl AllowedParams {
    /// Returns the allowed ones of the parameters. Each value can be a list separated by spaces.
    pub(crate) fn filter(&self, asked: &RequestedParams) -> RequestedParams {
        let hint = asked.login_hint.as_ref();
        let hint = hint.filter(|hint| self.login_hint && (1..=MAX_HINT_LEN).contains(&hint.len()));
        RequestedParams {
            login_hint: hint.cloned(),
            prompts: allowed(&self.prompts, &asked.prompts),
            scopes: allowed(&self.scopes, &asked.scopes),
        }
    }
}

/// Returns the values that are on a list, once each and in the order of the list.
fn allowed(list: &[String], asked: &[String]) -> Vec<String> {
    let is_asked = |own: &&String| asked.iter().any(|text| text.split(' ').any(|one| one == *own));
    list.iter().filter(is_asked).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn only_allowed_values_are_added() {
        let asked = RequestedParams {
            login_hint: Some("ada@example.com".to_owned()),
            prompts: texts(&["none", "login consent", "login"]),
            scopes: texts(&["repo admin", ""]),
        };
        let none = AllowedParams::default().filter(&asked);
        assert_eq!((none.login_hint, none.prompts, none.scopes), (None, vec![], vec![]));
        let allowed = AllowedParams {
            login_hint: true,
            prompts: texts(&["consent", "login", "select_account"]),
            scopes: texts(&["repo"]),
        };
        let some = allowed.filter(&asked);
        assert_eq!(some.login_hint.as_deref(), Some("ada@example.com"));
        assert_eq!(some.prompts, ["consent", "login"]);
        assert_eq!(some.scopes, ["repo"]);
        for (len, expected) in [(0, false), (320, true), (321, false)] {
            let asked = RequestedParams { login_hint: Some("a".repeat(len)), ..asked.clone() };
            assert_eq!(allowed.filter(&asked).login_hint.is_some(), expected, "{len}");
        }
    }
}
