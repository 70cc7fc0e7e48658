//! The one credential of a request.

use http::{HeaderMap, header};

use super::cookie::{self, Sent};
use crate::{
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::{ACCESS_PREFIX, AccessToken},
    },
    services::{Bearers, Core, DpopProofs},
    session::TokenTransports,
};

/// The credential that a request presents, parsed and not yet verified.
#[derive(Debug)]
pub(crate) enum Presented {
    /// No credential.
    Nothing,
    /// A bearer token; `None` if it is malformed or ambiguous.
    Bearer(Option<AccessToken>),
    /// A token that is bound to a key, presented with a proof (RFC 9449 §7.1); `None` if it is malformed.
    Dpop(Option<AccessToken>),
    /// An API key or another bearer token of a program; `None` if it is malformed.
    Key(Option<OneTimeToken>),
    /// A cookie; `None` if it is malformed.
    Cookie(Option<AccessToken>),
    /// Two cookies of the same name.
    AmbiguousCookies,
}

impl Presented {
    /// Reads the credential of a request. A bearer token has priority over cookies, and an invalid
    /// one never falls back to them (RFC 6750 §2). A disabled transport is not read, and schemes
    /// other than `Bearer` are ignored.
    pub(crate) fn read(headers: &HeaderMap, core: &Core) -> Self {
        let mode = core.sessions.options().mode;
        if mode != TokenTransports::Cookie
            && let Some(bearer) =
                bearer(headers, || core.offered(), || core.offered::<DpopProofs>().is_some())
        {
            return bearer;
        }
        if mode == TokenTransports::Bearer {
            return Self::Nothing;
        }
        match cookie::read(headers, &core.cookies.access) {
            Sent::Nothing => Self::Nothing,
            Sent::Once(text) => Self::Cookie(AccessToken::parse(text)),
            Sent::Twice => Self::AmbiguousCookies,
        }
    }

    /// Returns whether the credential is a cookie.
    pub(crate) fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie(_) | Self::AmbiguousCookies)
    }

    /// Returns whether the credential is a bearer token or API key, valid or not.
    pub(crate) fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Dpop(_) | Self::Key(_))
    }

    /// Returns the access token, if it is well-formed.
    pub(crate) fn token(&self) -> Option<&AccessToken> {
        match self {
            Self::Bearer(token) | Self::Dpop(token) | Self::Cookie(token) => token.as_ref(),
            Self::Nothing | Self::Key(_) | Self::AmbiguousCookies => None,
        }
    }
}

/// Returns the bearer token of a session or a program, or `None` without a `Bearer` header.
fn bearer<'a>(
    headers: &HeaderMap,
    programs: impl FnOnce() -> Option<&'a Bearers>,
    has_proofs: impl FnOnce() -> bool,
) -> Option<Presented> {
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
    let begin = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let (_, text) = rest.split_at_checked(begin)?;
    if scheme.eq_ignore_ascii_case(b"dpop") && has_proofs() {
        return Some(Presented::Dpop(AccessToken::parse(text)));
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    if text.starts_with(ACCESS_PREFIX.as_bytes()) {
        return Some(Presented::Bearer(AccessToken::parse(text)));
    }
    let Some(prefix) = programs().and_then(|programs| programs.prefix_of(text)) else {
        return Some(Presented::Bearer(None));
    };
    let text = std::str::from_utf8(text).unwrap_or_default();
    Some(Presented::Key(OneTimeToken::parse(TokenPurpose::Program(prefix), text)))
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
            let found =
                bearer(&headers, || None, || false).map(|presented| presented.token().is_some());
            assert_eq!(found, outcome, "{name}");
        }
    }
}
