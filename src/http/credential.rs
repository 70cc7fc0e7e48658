//! The credential of a request.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::{
    cookie::{self, CookieLines},
    csrf::{self, CrossOrigin, ForwardedMethod},
    dpop::SentProof,
    presented::Presented,
};
use crate::services::{BoundSessions, Core};

/// The credential of a request.
pub(super) struct Credential {
    pub(super) presented: Presented,
    /// The cookies, if one may be read later.
    cookies: CookieLines,
    /// Set if a cookie authenticates the request and another site sent it.
    pub(super) cross_origin: Option<CrossOrigin>,
    /// Why the browser did not refresh a bound session before the request.
    pub(super) skipped: Option<&'static str>,
    /// The proof of the request.
    pub(super) proof: Option<Arc<SentProof>>,
}

/// The credential before it is read.
pub(super) static UNREAD: Credential = Credential {
    presented: Presented::Nothing,
    cookies: CookieLines::NONE,
    cross_origin: None,
    skipped: None,
    proof: None,
};

impl Credential {
    /// Reads the credential of a request. Its proof may have been read before.
    pub(super) fn read(
        core: &Core,
        (method, path): (&Method, &str),
        headers: &HeaderMap,
        proof: Option<&Arc<SentProof>>,
    ) -> Self {
        let presented = Presented::read(headers, core);
        let may_refresh = match presented {
            Presented::Nothing => cookie::refresh_token(core, headers).is_some(),
            Presented::Cookie(_) => true,
            Presented::Bearer(_)
            | Presented::Dpop(_)
            | Presented::Key(_)
            | Presented::AmbiguousCookies => false,
        };
        let has_cookie = presented.is_cookie() || may_refresh;
        let cross_origin = has_cookie.then(|| csrf::verify(method, headers, &core.origins));
        let cross_origin = cross_origin.and_then(Result::err);
        let may_be_read = may_refresh
            || (matches!(presented, Presented::Nothing)
                && cookie::impersonator(core, headers).is_some());
        let cookies = if may_be_read { CookieLines::of(headers) } else { CookieLines::NONE };
        let skipped = if has_cookie { skipped(core, headers) } else { None };
        let read = || SentProof::read(headers, (method.as_str(), path));
        let proof = proof.cloned().or_else(read);
        Self { presented, cookies, cross_origin, skipped, proof }
    }

    /// Reads the credential of a request that a proxy asks about. The refresh cookie is not read.
    /// `target` is the method and the path that a trusted proxy states.
    pub(super) fn forwarded(
        core: &Core,
        headers: &HeaderMap,
        method: ForwardedMethod,
        target: Option<(&str, &str)>,
    ) -> Self {
        let presented = Presented::read(headers, core);
        let check = || csrf::verify_forwarded(method, headers, &core.origins);
        let cross_origin = presented.is_cookie().then(check).and_then(Result::err);
        // Without a target, no proof is valid.
        let proof = SentProof::read(headers, target.unwrap_or_default());
        let cookies = CookieLines::NONE;
        Self { presented, cookies, cross_origin, skipped: None, proof }
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

/// Returns why the browser did not refresh a bound session, as it reports in `Secure-Session-Skipped`,
/// if sessions can be bound.
fn skipped(core: &Core, headers: &HeaderMap) -> Option<&'static str> {
    core.offered::<BoundSessions>()?;
    let line = headers.get("secure-session-skipped")?.to_str().unwrap_or_default();
    let reason = line.split([';', ',']).next().unwrap_or_default().trim();
    let reasons = ["unreachable", "server_error", "quota_exceeded"];
    Some(reasons.into_iter().find(|own| *own == reason).unwrap_or("other"))
}
