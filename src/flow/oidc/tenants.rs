//! Issuers of a provider with several tenants.
//!
//! Microsoft's metadata for several tenants has a template in place of the issuer, and a token has
//! the issuer of its own tenant, which `tid` names.

use super::{
    Oidc,
    claims::{Claims, text},
};
use crate::outbound::origin;

const PLACEHOLDER: &str = "{tenantid}";

/// Returns whether the issuer in the metadata stands for several tenants.
pub(super) fn is_template(issuer: &str) -> bool {
    issuer.contains(PLACEHOLDER)
}

/// Returns whether the metadata may have this issuer: exactly the configured one, or a template of
/// the same host if tenants are configured.
pub(super) fn admits_metadata(options: &Oidc, issuer: &str) -> bool {
    let is_own_template = || {
        let own = origin(&options.issuer);
        let host = issuer.split(PLACEHOLDER).next().and_then(origin);
        is_template(issuer) && !options.tenants.is_empty() && own.is_some() && host == own
    };
    issuer == options.issuer || is_own_template()
}

/// Returns whether `iss` is an issuer of the provider: the configured one, or that of an allowed
/// tenant.
pub(super) fn is_issuer(options: &Oidc, metadata_issuer: &str, iss: &str) -> bool {
    match is_template(metadata_issuer) {
        true => options.tenants.iter().any(|tenant| of_tenant(metadata_issuer, tenant) == iss),
        false => iss == options.issuer,
    }
}

/// Checks that an ID token is of an allowed tenant, and that its issuer is that of this tenant if
/// there are several.
pub(super) fn check_tenant(
    options: &Oidc,
    metadata_issuer: &str,
    claims: &Claims,
) -> Result<(), &'static str> {
    if options.tenants.is_empty() {
        return Ok(());
    }
    let tenant = text(claims, "tid").ok_or("tid is missing")?;
    if !options.tenants.iter().any(|own| own == tenant) {
        return Err("tid is a tenant that is not in .tenants(…)");
    }
    let is_own = || text(claims, "iss") == Some(&of_tenant(metadata_issuer, tenant));
    match !is_template(metadata_issuer) || is_own() {
        true => Ok(()),
        false => Err("iss is the issuer of another tenant than tid"),
    }
}

fn of_tenant(template: &str, tenant: &str) -> String {
    template.replace(PLACEHOLDER, tenant)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COMMON: &str = "https://login.example.com/common/v2.0";
    const TEMPLATE: &str = "https://login.example.com/{tenantid}/v2.0";

    #[test]
    fn templates_need_tenants_and_the_same_host() {
        let one = Oidc::new("id", COMMON, "client");
        let several = one.clone().tenants(["a", "b"]);
        for (issuer, without, with) in [
            (COMMON, true, true),
            (TEMPLATE, false, true),
            ("https://login.example.com/a/v2.0", false, false),
            ("https://evil.example/{tenantid}/v2.0", false, false),
            ("http://login.example.com/{tenantid}/v2.0", false, false),
            ("https://{tenantid}/v2.0", false, false),
        ] {
            assert_eq!(admits_metadata(&one, issuer), without, "{issuer}");
            assert_eq!(admits_metadata(&several, issuer), with, "{issuer}");
        }
    }

    #[test]
    fn tokens_have_the_issuer_of_their_own_allowed_tenant() {
        let options = Oidc::new("id", COMMON, "client").tenants(["a", "b"]);
        let check = |tid: serde_json::Value, iss: &str| {
            let claims = json!({ "tid": tid, "iss": iss });
            check_tenant(&options, TEMPLATE, claims.as_object().unwrap()).is_ok()
        };
        let of = |tenant: &str| format!("https://login.example.com/{tenant}/v2.0");
        assert!(check(json!("a"), &of("a")) && check(json!("b"), &of("b")));
        assert!(!check(json!("a"), &of("b")), "another tenant's issuer");
        assert!(!check(json!("c"), &of("c")), "not allowed");
        assert!(!check(json!(null), &of("a")), "tid is required");
        assert!(!check(json!(["a"]), &of("a")));
        assert!(!check(json!("{tenantid}"), TEMPLATE));
        assert!(
            is_issuer(&options, TEMPLATE, &of("a")) && !is_issuer(&options, TEMPLATE, &of("c"))
        );
        assert!(!is_issuer(&options, TEMPLATE, TEMPLATE) && !is_issuer(&options, TEMPLATE, COMMON));
        assert!(is_issuer(&options, COMMON, COMMON) && !is_issuer(&options, COMMON, &of("a")));
        let of_one = |tid: &str| {
            let claims = json!({ "tid": tid, "iss": COMMON });
            check_tenant(&options, COMMON, claims.as_object().unwrap()).is_ok()
        };
        assert!(of_one("a") && !of_one("c"), "tenants count without a template too");
        assert!(check_tenant(&options, COMMON, &Claims::new()).is_err());
        let without = Oidc::new("id", COMMON, "client");
        assert!(check_tenant(&without, COMMON, &Claims::new()).is_ok());
    }
}
