//! Responses of a token endpoint.

use serde_json::Value;

use crate::provider::ProviderTokens;

/// Returns the tokens of a response, or the reason why there is no access token.
///
/// The body is JSON (RFC 6749 §5.1) or a form, which some providers send; the content type is
/// ignored. The other members are for the application, and nothing depends on them.
pub(super) fn read(status: u16, body: &str) -> Result<ProviderTokens, &'static str> {
    if !matches!(status, 200 | 201) {
        return Err("the token endpoint returned an error status");
    }
    let members =
        Members::parse(body).ok_or("the token endpoint returned neither JSON nor a form")?;
    if members.has("error") {
        return Err("the token endpoint returned an error");
    }
    match members.get("token_type") {
        Member::Absent => {}
        Member::Text(kind) if kind.eq_ignore_ascii_case("bearer") => {}
        _ => return Err("the token endpoint returned a token of another type than bearer"),
    }
    match members.get("access_token") {
        Member::Text(token) if !token.is_empty() => {
            let mut tokens = ProviderTokens::new(token);
            tokens.read_members(|name| members.value(name));
            Ok(tokens)
        }
        _ => Err("the token endpoint returned no access token"),
    }
}

enum Members {
    Json(serde_json::Map<String, Value>),
    Form(Vec<(String, String)>),
}

enum Member {
    /// Absent or null.
    Absent,
    Text(String),
    Other,
}

impl Members {
    fn parse(body: &str) -> Option<Self> {
        let body = body.trim_start_matches('\u{feff}').trim();
        if body.starts_with(['{', '[', '"']) {
            return match serde_json::from_str(body) {
                Ok(Value::Object(members)) => Some(Self::Json(members)),
                _ => None,
            };
        }
        let pairs = form_urlencoded::parse(body.as_bytes()).into_owned();
        body.contains('=').then(|| Self::Form(pairs.collect()))
    }

    fn get(&self, name: &str) -> Member {
        match self {
            Self::Json(members) => match members.get(name) {
                None | Some(Value::Null) => Member::Absent,
                Some(Value::String(text)) => Member::Text(text.clone()),
                Some(_) => Member::Other,
            },
            Self::Form(pairs) => {
                let mut all = pairs.iter().filter(|(own, _)| own == name);
                match (all.next(), all.next()) {
                    (None, _) => Member::Absent,
                    (Some((_, value)), None) => Member::Text(value.clone()),
                    _ => Member::Other,
                }
            }
        }
    }

    /// Returns a member as JSON.
    fn value(&self, name: &str) -> Option<Value> {
        match (self, self.get(name)) {
            (_, Member::Absent) => None,
            (_, Member::Text(text)) => Some(text.into()),
            (Self::Json(members), Member::Other) => members.get(name).cloned(),
            (Self::Form(_), Member::Other) => None,
        }
    }

    fn has(&self, name: &str) -> bool {
        match self.get(name) {
            Member::Absent => false,
            Member::Text(text) => !text.is_empty(),
            Member::Other => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_responses_are_json_or_forms() {
        for body in [
            r#"{"access_token":"t","token_type":"bearer","expires_in":"3600"}"#,
            r#"{"access_token":"t","token_type":"BEARER","scope":[]}"#,
            r#"{"access_token":"t","token_type":null,"expires_in":null}"#,
            r#"{"access_token":"t","error":null}"#,
            r#"{"access_token":"t","error":""}"#,
            "\u{feff} {\"access_token\":\"t\"}",
            "access_token=t&scope=a%20b&token_type=bearer",
            "expires_in=x&access_token=t",
        ] {
            let tokens = read(200, body).unwrap();
            assert_eq!(tokens.access_token, "t", "{body}");
        }
        assert!(read(201, "access_token=t").is_ok());
    }

    #[test]
    fn other_token_responses_are_errors() {
        for body in [
            "",
            "t",
            "[]",
            r#""t""#,
            "{",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
            r#"{"access_token":"t","token_type":["bearer"]}"#,
            r#"{"access_token":"t","error":"invalid_grant"}"#,
            r#"{"access_token":"t","error":7}"#,
            "access_token=t&access_token=u",
            "access_token=t&token_type=mac",
            "error=bad_verification_code&access_token=t",
            "<html><a href='x?access_token=t'></a></html>",
        ] {
            assert!(read(200, body).is_err(), "{body}");
        }
        for status in [202, 204, 302, 400, 500] {
            assert!(read(status, r#"{"access_token":"t"}"#).is_err(), "{status}");
        }
    }

    #[test]
    fn other_members_are_for_the_application() {
        for body in [
            r#"{"access_token":"t","refresh_token":"r","expires_in":3600,"scope":"a b"}"#,
            r#"{"access_token":"t","refresh_token":"r","expires_in":"3600","scope":"a b"}"#,
            "access_token=t&refresh_token=r&expires_in=3600&scope=a%20b",
        ] {
            let tokens = read(200, body).unwrap();
            assert_eq!(tokens.refresh_token.as_deref(), Some("r"), "{body}");
            assert_eq!(tokens.scope.as_deref(), Some("a b"), "{body}");
            assert_eq!(tokens.expires_in.map(|own| own.as_secs()), Some(3600), "{body}");
            assert!(!format!("{tokens:?}").contains("\"r\""));
        }
        let body = r#"{"access_token":"t","refresh_token":7,"expires_in":-1,"scope":["a"]}"#;
        let tokens = read(200, body).unwrap();
        assert!(tokens.refresh_token.is_none() && tokens.expires_in.is_none());
        assert!(tokens.scope.is_none());
    }
}
