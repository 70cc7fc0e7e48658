//! The credential of a request.

use http::{HeaderMap, Method};

use super::{
    cookie::{self, CookieLines},
    csrf::{self, CrossOrigin, ForwardedMethod},
    presented::Presented,
};
use crate::services::{BoundSessions, Core};

/// The credential of a request.
pub(super) struct Credential {
    pub(super) presented: Presented,
    /// The cookies, if a refresh cookie may authenticate the request.
    cookies: CookieLines,
    /// Set if a cookie authenticates the request and another site sent it.
    pub(super) cross_origin: Option<CrossOrigin>,
    /// Why the browser did not refresh a bound session before the request.
    pub(super) skipped: Option<&'static str>,
}

/// The credential before it is read.
pub(super) static UNREAD: Credential = Credential {
    presented: Presented::Nothing,
    cookies: CookieLines::NONE,
    cross_origin: None,
    skipped: None,
};

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
        let cookies = if may_refresh { CookieLines::of(headers) } else { CookieLines::NONE };
        let skipped = if has_cookie { skipped(core, headers) } else { None };
        Self { presented, cookies, cross_origin, skipped }
    }

    /// Reads the credential of a request that a proxy asks about. The refresh cookie is not read.
    pub(super) fn forwarded(core: &Core, headers: &HeaderMap, method: ForwardedMethod) -> Self {
        let presented = Presented::read(headers, core);
        let check = || csrf::verify_forwarded(method, headers, &core.origins);
        let cross_origin = presented.is_cookie().then(check).and_then(Result::err);
        Self { presented, cookies: CookieLines::NONE, cross_origin, skipped: None }
    }

    /// Returns the refresh cookie, which is read only when it is needed.
    pub(super) fn refresh(&self, core: &Core) -> Option<&str> {
        self.cookies.refresh_token(core)
    }
}

/// Returns why the browser did not refresh a bound session, as it reports in `Secure-Session-Skipped`,
/// if sessions can be bound.
fn skipped(core: &Core, headers: &HeaderMap) -> Option<&'static str> {
    core.offered::<BoundSessions>()?;
    let line = headers.get("secure-session-skipped")?.to_str().unwrap_or_default();
    let reason = line.split([';', ',']).next().unwrap_or_default().trim();
    let reasons = ["unreachable", "server_error", "quota_exceeded"];
    Some(reasons.into_iter().find(|own| *own == reason).unwrap_or("other"))
}
