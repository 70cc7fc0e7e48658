//! Responses of a token endpoint.

use serde_json::Value;
use zeroize::Zeroizing;

/// Returns the access token of a response, or the reason why there is none.
///
/// The body is JSON (RFC 6749 §5.1) or a form, which some providers send; the content type is
/// ignored. Only the token and its type are read.
pub(super) fn access_token(status: u16, body: &str) -> Result<Zeroizing<String>, &'static str> {
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
        Member::Text(token) if !token.is_empty() => Ok(Zeroizing::new(token)),
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
            assert_eq!(access_token(200, body).as_deref().map(String::as_str), Ok("t"), "{body}");
        }
        assert!(access_token(201, "access_token=t").is_ok());
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
            assert!(access_token(200, body).is_err(), "{body}");
        }
        for status in [202, 204, 302, 400, 500] {
            assert!(access_token(status, r#"{"access_token":"t"}"#).is_err(), "{status}");
        }
    }
}
