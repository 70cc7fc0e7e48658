//! Security schemes and requirements.

use utoipa::openapi::{
    Components, ComponentsBuilder,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use super::super::{Access, Extracted, Operation, operation::Credential};

const COOKIE: &str = "cookie";
const REFRESH: &str = "refreshCookie";
const PENDING: &str = "pendingCookie";
const BEARER: &str = "bearer";
const BASIC: &str = "service";

/// The transports of an application, and the names of its cookies.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The names of the cookies of access token, refresh token and pending sign-in, if tokens are
    /// sent in cookies.
    pub(crate) cookies: Option<[String; 3]>,
    pub(crate) has_bearer: bool,
}

/// Returns the components with the security schemes.
pub(super) fn schemes(
    own: &Credentials,
    has_services: bool,
    components: ComponentsBuilder,
) -> Components {
    let cookie = |name: &String, text: &str| {
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name.as_str(), text)))
    };
    let mut components = components;
    if let Some([access, refresh, pending]) = &own.cookies {
        components = components
            .security_scheme(COOKIE, cookie(access, "The access token of a session."))
            .security_scheme(REFRESH, cookie(refresh, "The refresh token of a session."))
            .security_scheme(PENDING, cookie(pending, "The challenge of a pending sign-in."));
    }
    if own.has_bearer {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("The access token of a session.".to_owned());
        components = components.security_scheme(BEARER, SecurityScheme::Http(bearer));
    }
    if has_services {
        let mut basic = Http::new(HttpAuthScheme::Basic);
        basic.description = Some("The id and the secret of a service.".to_owned());
        components = components.security_scheme(BASIC, SecurityScheme::Http(basic));
    }
    components.build()
}

/// Returns the alternatives of an operation. None means that no credential is used.
pub(super) fn requirements(
    operation: &Operation,
    extracted: &Extracted,
    own: &Credentials,
) -> Vec<SecurityRequirement> {
    let is_optional = extracted.access == Access::Public;
    let names: &[&str] = match operation.credential {
        Credential::Basic => return vec![SecurityRequirement::new::<_, [&str; 0], _>(BASIC, [])],
        Credential::Extracted if is_optional => &[],
        Credential::Extracted | Credential::OptionalSession => &[COOKIE, BEARER],
        Credential::RefreshToken => &[REFRESH],
        Credential::AnyToken => &[COOKIE, REFRESH, BEARER],
        Credential::Challenge => &[PENDING, COOKIE, BEARER],
    };
    let is_on = |name: &str| if name == BEARER { own.has_bearer } else { own.cookies.is_some() };
    let names = names.iter().filter(|name| is_on(name));
    let named = names.map(|name| SecurityRequirement::new::<_, [&str; 0], _>(*name, []));
    let none = (is_optional && operation.credential != Credential::Extracted)
        .then(SecurityRequirement::default);
    none.into_iter().chain(named).collect()
}
