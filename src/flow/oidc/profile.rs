//! Conversion of claims into a profile.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Oidc,
    claims::{Claims, is_true, present, seconds, text},
};
use crate::{
    error::ErrorKind,
    provider::{ProviderProfile, ascii_domain},
};

/// The claims of UserInfo, in addition to those of the ID token.
pub(super) enum More {
    /// They were not requested.
    None,
    /// They are of the same subject.
    Claims(Claims),
    /// The request failed.
    Failed,
}

/// Returns the profile of an ID token and UserInfo. The subject, its session and its authentication
/// are taken from the ID token; names and pictures from UserInfo, if present.
pub(super) fn profile(options: &Oidc, signed: &Claims, more: &More) -> ProviderProfile {
    let names = &options.claims;
    let beside = match more {
        More::Claims(claims) => Some(claims),
        More::None | More::Failed => None,
    };
    let own = |name: &str| text(signed, name).map(ToOwned::to_owned);
    let any = |name: &str| {
        let found = beside.and_then(|claims| text(claims, name));
        found.map(ToOwned::to_owned).or_else(|| own(name))
    };
    let source = address_source(options, signed, beside);
    let address = source.and_then(|claims| text(claims, &names.email));
    let vouched = source.is_some_and(|claims| is_true(claims, &names.email_verified));
    let decided = options.assume_email_verified || present(signed, &names.email_verified).is_some();
    let lacking = matches!(more, More::Failed) && !(address.is_some() && decided);
    let proved_at = auth_time(signed).filter(|_| options.max_age.is_some());
    ProviderProfile {
        subject: own("sub").unwrap_or_default(),
        email: address.map(|address| ascii_domain(address.trim())),
        email_verified: vouched || options.assume_email_verified,
        newcomer: lacking.then_some(ErrorKind::ProviderError),
        username: any(&names.username),
        display_name: any(&names.name),
        avatar_url: any(&names.picture),
        locale: any(&names.locale),
        proved_at,
        is_multi_factor: options.trust_second_factor && has_multi_factor(signed),
        session: own("sid"),
        issuer: None,
        id_token: None,
    }
}

/// Returns `true` if the provider states that it verified several factors (RFC 8176 §2).
fn has_multi_factor(signed: &Claims) -> bool {
    let methods = signed.get("amr").and_then(Value::as_array);
    methods.into_iter().flatten().any(|method| method.as_str() == Some("mfa"))
}

/// Returns the time at which the user authenticated at the provider, from an ID token.
pub(super) fn auth_time(signed: &Claims) -> Option<Timestamp> {
    Timestamp::from_second(signed.get("auth_time").and_then(seconds)?).ok()
}

/// Returns the document from which both the email address and `email_verified` are taken; they are
/// never mixed. It is the ID token if it has an email address. UserInfo is used if the ID token has
/// none, or if it has the same one without `email_verified`.
fn address_source<'a>(
    options: &Oidc,
    signed: &'a Claims,
    beside: Option<&'a Claims>,
) -> Option<&'a Claims> {
    let names = &options.claims;
    let beside = beside.and_then(|claims| Some((claims, text(claims, &names.email)?)));
    match (text(signed, &names.email), beside) {
        (None, beside) => beside.map(|(claims, _)| claims),
        (Some(own), Some((claims, same)))
            if present(signed, &names.email_verified).is_none()
                && own.eq_ignore_ascii_case(same) =>
        {
            Some(claims)
        }
        (Some(_), _) => Some(signed),
    }
}
