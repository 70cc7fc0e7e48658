//! The credential of a request.

use http::{HeaderMap, Method};

use super::{cookie, csrf, presented::Presented};
use crate::auth::Core;

/// What speaks for a request.
pub(super) struct Credential {
    pub(super) presented: Presented,
    /// The refresh cookie, where a cookie may speak for the request.
    pub(super) refresh: Option<Box<str>>,
    pub(super) cross_origin: bool,
}

/// Nobody asked yet.
pub(super) static UNREAD: Credential =
    Credential { presented: Presented::Nothing, refresh: None, cross_origin: false };

impl Credential {
    pub(super) fn read(core: &Core, method: &Method, headers: &HeaderMap) -> Self {
        let options = core.sessions.options();
        let presented = Presented::read(headers, options, &core.cookies.access);
        let refresh = refresh_cookie(core, &presented, headers);
        let cross_origin = (presented.is_cookie() || refresh.is_some())
            && csrf::verify(method, headers, &core.origins).is_err();
        Self { presented, refresh, cross_origin }
    }
}

fn refresh_cookie(core: &Core, presented: &Presented, headers: &HeaderMap) -> Option<Box<str>> {
    match presented {
        Presented::Nothing | Presented::Cookie(_) => {
            cookie::refresh_token(core, headers).map(Box::from)
        }
        Presented::Bearer(_) | Presented::Key(_) | Presented::AmbiguousCookies => None,
    }
}
