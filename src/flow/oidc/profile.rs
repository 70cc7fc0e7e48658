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
        given_name: None,
        avatar_url: any(&names.picture),
        locale: any(&names.locale),
        proved_at,
        is_multi_factor: options.trust_second_factor && has_multi_factor(options, signed),
        session: own("sid"),
        // The issuer of a tenant.
        issuer: own("iss").filter(|iss| *iss != options.issuer),
        id_token: None,
        tokens: None,
    }
}

/// The methods that stand for several factors (RFC 8176 §2; AD FS).
const MULTI_FACTOR: [&str; 2] = ["mfa", "http://schemas.microsoft.com/claims/multipleauthn"];

/// The classes of authentication with several factors (REFEDS MFA Profile; OpenID PAPE 1.0 §4).
const MULTI_FACTOR_CLASSES: [&str; 2] = [
    "https://refeds.org/profile/mfa",
    "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
];

/// Returns `true` if the provider states that it verified several factors.
fn has_multi_factor(options: &Oidc, signed: &Claims) -> bool {
    let methods = signed.get("amr").and_then(Value::as_array);
    let is_multi = |method: &Value| method.as_str().is_some_and(|own| MULTI_FACTOR.contains(&own));
    let is_multi_class = |class: &str| {
        MULTI_FACTOR_CLASSES.contains(&class) || options.acr.iter().any(|own| own == class)
    };
    methods.into_iter().flatten().any(is_multi)
        || signed.get("acr").and_then(Value::as_str).is_some_and(is_multi_class)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn several_factors_are_recognized_by_methods_and_classes() {
        let options = Oidc::new("acme", "https://login.example", "client")
            .second_factor_acr("urn:okta:loa:2fa:any");
        let is_multi = |claims: Value| {
            has_multi_factor(&options, &serde_json::from_value::<Claims>(claims).unwrap())
        };
        for claims in [
            json!({ "amr": ["pwd", "mfa"] }),
            json!({ "amr": ["http://schemas.microsoft.com/claims/multipleauthn"] }),
            json!({ "acr": "https://refeds.org/profile/mfa" }),
            json!({ "acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor" }),
            json!({ "acr": "urn:okta:loa:2fa:any", "amr": 7 }),
        ] {
            assert!(is_multi(claims.clone()), "{claims}");
        }
        for claims in [
            json!({}),
            json!({ "amr": "mfa" }),
            json!({ "amr": ["pwd", "otp"] }),
            json!({ "acr": "mfa" }),
            json!({ "acr": ["https://refeds.org/profile/mfa"] }),
            json!({ "acr": "urn:okta:loa:1fa:any" }),
        ] {
            assert!(!is_multi(claims.clone()), "{claims}");
        }
    }
}
