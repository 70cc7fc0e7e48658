//! The one credential of a request.

use http::{HeaderMap, header};

use super::cookie::{self, Sent};
use crate::{
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::AccessToken,
    },
    session::{SessionMode, SessionOptions},
};

/// What a request presented, parsed and not yet verified.
#[derive(Debug)]
pub(crate) enum Presented {
    /// Nothing.
    Nothing,
    /// A bearer token; `None` when it is malformed or ambiguous.
    Bearer(Option<AccessToken>),
    /// The key of a program; `None` when it is malformed.
    Key(Option<OneTimeToken>),
    /// A cookie; `None` when it is malformed.
    Cookie(Option<AccessToken>),
    /// Two cookies of our name.
    AmbiguousCookies,
}

impl Presented {
    /// Reads the request by one rule: a bearer token wins over cookies, and a bad one
    /// never falls back to them (RFC 6750 §2). A transport that is off is not read, and
    /// another scheme than `Bearer` is not ours.
    pub(crate) fn read(headers: &HeaderMap, options: &SessionOptions, cookie: &str) -> Self {
        if options.mode != SessionMode::Cookie
            && let Some(bearer) = bearer(headers)
        {
            return bearer;
        }
        if options.mode == SessionMode::Bearer {
            return Self::Nothing;
        }
        match cookie::read(headers, cookie) {
            Sent::Nothing => Self::Nothing,
            Sent::Once(text) => Self::Cookie(AccessToken::parse(text)),
            Sent::Twice => Self::AmbiguousCookies,
        }
    }

    /// Whether a cookie is what would authenticate.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie(_) | Self::AmbiguousCookies)
    }

    /// Whether a bearer token speaks for the request, good or bad.
    pub(crate) fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Key(_))
    }

    /// The token, if there is an intact one.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        match self {
            Self::Bearer(token) | Self::Cookie(token) => token.as_ref(),
            Self::Nothing | Self::Key(_) | Self::AmbiguousCookies => None,
        }
    }
}

/// How the key of a program begins.
const KEY: &[u8] = b"aak_";

/// `None` when there is no `Authorization` that concerns us.
fn bearer(headers: &HeaderMap) -> Option<Presented> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return Some(Presented::Bearer(None));
    }
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at_checked(end)?;
    if scheme.is_empty() {
        return Some(Presented::Bearer(None));
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    let begin = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let (_, text) = rest.split_at_checked(begin)?;
    Some(match text.starts_with(KEY) {
        true => {
            let text = std::str::from_utf8(text).unwrap_or_default();
            Presented::Key(OneTimeToken::parse(TokenPurpose::ApiKey, text))
        }
        false => Presented::Bearer(AccessToken::parse(text)),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{crypto::secret::Secret, model::SessionId};

    #[test]
    fn authorization_header_is_parsed_strictly() {
        // A20, EH-03, EH-04
        let token = AccessToken {
            session: SessionId::from_bytes([1; 16]),
            generation: 0,
            secret: Secret::from_bytes([2; 32]),
        }
        .encode();
        let good = token.expose();
        for (name, lines, outcome) in [
            ("absent", vec![], None),
            ("plain", vec![format!("Bearer {good}")], Some(true)),
            ("lower case", vec![format!("bearer {good}")], Some(true)),
            ("upper case", vec![format!("BEARER {good}")], Some(true)),
            ("two spaces", vec![format!("Bearer  {good}")], Some(true)),
            ("trailing word", vec![format!("Bearer {good} x")], Some(false)),
            ("trailing space", vec![format!("Bearer {good} ")], Some(false)),
            ("no token", vec!["Bearer".to_owned()], Some(false)),
            ("empty", vec![String::new()], Some(false)),
            ("tab", vec![format!("Bearer\t{good}")], None),
            ("not ASCII", vec!["Bearer é".to_owned()], Some(false)),
            ("another scheme", vec!["Basic dTpw".to_owned()], None),
            ("two", vec![format!("Bearer {good}"), format!("Bearer {good}")], Some(false)),
            ("two schemes", vec!["Basic dTpw".to_owned(), format!("Bearer {good}")], Some(false)),
        ] {
            let headers: HeaderMap = lines
                .iter()
                .map(|l| (header::AUTHORIZATION, HeaderValue::from_bytes(l.as_bytes()).unwrap()))
                .collect();
            let found = bearer(&headers).map(|presented| presented.token().is_some());
            assert_eq!(found, outcome, "{name}");
        }
    }
}
