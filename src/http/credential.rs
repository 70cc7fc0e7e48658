//! The credential of a request.

use http::{HeaderMap, Method};

use super::{
    cookie::{self, CookieLines},
    csrf::{self, CrossOrigin, ForwardedMethod},
    presented::Presented,
};
use crate::services::Core;

/// The credential of a request.
pub(super) struct Credential {
    pub(super) presented: Presented,
    /// The cookies, if one may be read later.
    cookies: CookieLines,
    /// Set if a cookie authenticates the request and another site sent it.
    pub(super) cross_origin: Option<CrossOrigin>,
}

/// The credential before it is read.
pub(super) static UNREAD: Credential =
    Credential { presented: Presented::Nothing, cookies: CookieLines::NONE, cross_origin: None };

impl Credential {
    pub(super) fn read(core: &Core, method: &Method, headers: &HeaderMap) -> Self {
        let presented = Presented::read(headers, core);
        let may_refresh = match presented {
            Presented::Nothing => cookie::refresh_token(core, headers).is_some(),
            Presented::Cookie(_) => true,
            Presented::Bearer(_) | Presented::Key(_) | Presented::AmbiguousCookies => false,
        };
        let has_cookie = presented.is_cookie() || may_refresh;
        let cross_origin = has_cookie.then(|| csrf::verify(method, headers, &core.origins));
        let cross_origin = cross_origin.and_then(Result::err);
        let may_be_read = may_refresh
            || (matches!(presented, Presented::Nothing)
                && cookie::impersonator(core, headers).is_some());
        let cookies = if may_be_read { CookieLines::of(headers) } else { CookieLines::NONE };
        Self { presented, cookies, cross_origin }
    }

    /// Reads the credential of a request that a proxy asks about. The refresh cookie is not read.
    pub(super) fn forwarded(core: &Core, headers: &HeaderMap, method: ForwardedMethod) -> Self {
        let presented = Presented::read(headers, core);
        let check = || csrf::verify_forwarded(method, headers, &core.origins);
        let cross_origin = presented.is_cookie().then(check).and_then(Result::err);
        Self { presented, cookies: CookieLines::NONE, cross_origin }
    }

    /// Returns whether the refresh token of an administrator waits in a cookie.
    pub(super) fn has_impersonator(&self, core: &Core) -> bool {
        self.cookies.has_impersonator(core)
    }

    /// Returns the refresh cookie, which is read only when it is needed.
    pub(super) fn refresh(&self, core: &Core) -> Option<&str> {
        self.cookies.refresh_token(core)
    }
}
