//! Validation of redirect targets.

use crate::{
    error::{AuthError, ErrorKind},
    origin::{Origins, is_loopback},
};

const LONGEST: usize = 2048;

/// A redirect target that was checked.
/// [`Services::redirect_target`](crate::services::Services::redirect_target) creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget(String);

mod sealed {
    #[allow(unnameable_types, reason = "the trait is sealed")]
    pub trait Sealed {}
    impl Sealed for &'static str {}
    impl Sealed for super::RedirectTarget {}
}

/// A literal path, or a target that was checked.
///
/// This trait is sealed: text from a request is not a redirect target.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checked redirect target",
    label = "may come from the request",
    note = "pass a literal such as `\"/inbox\"`; set a target of the request with `client.with_return_to(…)` and call `redirect()`"
)]
pub trait IntoRedirectTarget: sealed::Sealed {
    #[doc(hidden)]
    fn into_target(self) -> RedirectTarget;
}

impl IntoRedirectTarget for &'static str {
    fn into_target(self) -> RedirectTarget {
        RedirectTarget(self.to_owned())
    }
}

impl IntoRedirectTarget for RedirectTarget {
    fn into_target(self) -> RedirectTarget {
        self
    }
}

impl RedirectTarget {
    /// Returns the target as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The allowed redirect targets: paths of the application, and configured URLs.
#[derive(Clone, Debug)]
pub(crate) struct Redirects {
    own: Origins,
    origins: Vec<String>,
    exact: Vec<String>,
    /// Entries on the loopback interface without a port.
    loopback: Vec<String>,
    error_page: Option<String>,
}

impl Redirects {
    /// Creates the set of allowed targets. An entry that is an origin allows all of its paths. Any
    /// other entry allows only itself, byte for byte, such as a private-use URI scheme of a native
    /// application (RFC 8252 §7.1). An entry on the loopback interface without a port allows any
    /// port, which a native application cannot know in advance (§7.3).
    ///
    /// Returns the first invalid entry as the error.
    pub(crate) fn new(
        own: &Origins,
        allowed: Vec<String>,
        error_page: Option<String>,
    ) -> Result<Self, String> {
        let mut redirects = Self {
            own: own.clone(),
            origins: own.iter().map(str::to_owned).collect(),
            exact: Vec::new(),
            loopback: Vec::new(),
            error_page,
        };
        for entry in allowed {
            if without_port(&entry).is_some_and(|(bare, port)| port.is_none() && bare == entry) {
                redirects.loopback.push(entry.clone());
            }
            if Origins::parse([entry.as_str()]).is_ok() {
                redirects.origins.push(entry);
            } else if is_plain(&entry) && has_scheme(&entry) {
                redirects.exact.push(entry);
            } else {
                return Err(entry);
            }
        }
        match &redirects.error_page {
            Some(page) if redirects.is_page(page) => Ok(redirects),
            Some(page) => Err(page.clone()),
            None => Ok(redirects),
        }
    }

    /// Returns a target that a request specified, once it is checked.
    pub(crate) fn target(&self, place: &str) -> Result<RedirectTarget, AuthError> {
        self.check(place).map(|()| RedirectTarget(place.to_owned()))
    }

    /// Checks a redirect target that a request specified (RFC 9700 §4.11).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRedirect`].
    pub(crate) fn check(&self, place: &str) -> Result<(), AuthError> {
        let is_good = place.len() <= LONGEST
            && is_plain(place)
            && (self.is_page(place) || self.is_exact(place));
        if is_good { Ok(()) } else { Err(ErrorKind::InvalidRedirect.into()) }
    }

    /// Returns `true` if the target equals a configured entry, except for the port on loopback.
    /// Native applications require this.
    pub(crate) fn is_exact(&self, place: &str) -> bool {
        let bare = without_port(place).map(|(bare, _)| bare);
        self.exact.iter().any(|own| own == place)
            || bare.is_some_and(|bare| self.loopback.contains(&bare))
    }

    pub(crate) fn error_page(&self) -> Option<&str> {
        self.error_page.as_deref()
    }

    /// Returns `true` for a path, and for a URL of an allowed origin.
    fn is_page(&self, place: &str) -> bool {
        is_plain(place) && (is_own_path(place) || self.is_allowed(place))
    }

    fn is_allowed(&self, place: &str) -> bool {
        let is_at = |place: &str, origin: &String| {
            let rest = place.strip_prefix(origin.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        let listed = |origin: &&String| self.loopback.contains(origin);
        let bare = without_port(place).map(|(bare, _)| bare);
        self.origins.iter().any(|origin| is_at(place, origin))
            || origin_of(place).is_some_and(|origin| self.own.accepts(origin))
            || bare.is_some_and(|bare| {
                self.origins.iter().filter(listed).any(|origin| is_at(&bare, origin))
            })
    }
}

/// Returns the origin of a URL, as it is written.
fn origin_of(place: &str) -> Option<&str> {
    let start = place.find("://")? + "://".len();
    let rest = place.get(start..)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    place.get(..start + end)
}

/// Splits a loopback URL into the URL without its port, and the port.
fn without_port(place: &str) -> Option<(String, Option<u16>)> {
    let rest = place.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        None => None,
        Some(port) if is_digits(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        Some(_) => return None,
    };
    is_loopback(host).then(|| (format!("http://{host}{path}"), port))
}

/// Returns the source of a URL for the directive `form-action` of `Content-Security-Policy`: its
/// origin, or its scheme for a native application. A path has none, nor has a URL with characters
/// that an origin does not have.
pub(crate) fn form_source(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':').filter(|_| has_scheme(url))?;
    if !matches!(scheme, "http" | "https") {
        return Some(format!("{scheme}:"));
    }
    let rest = rest.strip_prefix("//")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let host = rest.get(..end).filter(|host| !host.is_empty() && host.bytes().all(is_host))?;
    Some(format!("{scheme}://{host}"))
}

/// Returns `true` for visible ASCII without `\`, which some parsers treat as `/`.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

fn is_own_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    let lower = rest.get(..3).unwrap_or(rest).to_ascii_lowercase();
    is_plain(text) && !rest.starts_with('/') && !matches!(lower.as_str(), "%2f" | "%5c" | "%09")
}

/// Returns `true` if the text has a scheme that a browser neither executes (`javascript:`, `data:`)
/// nor opens as a file, followed by a nonempty rest: after two slashes, or after one for a scheme
/// of a native application.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let is = |known: &[&str]| known.iter().any(|own| scheme.eq_ignore_ascii_case(own));
    // A browser treats `https:/host` as `https://host`.
    let slashes = if is(&["http", "https", "ws", "wss", "ftp"]) { "//" } else { "/" };
    let place = rest.strip_prefix(slashes).unwrap_or_default();
    let refused = ["javascript", "data", "vbscript", "file", "filesystem", "blob", "about"];
    named && !place.trim_start_matches('/').is_empty() && !is(&refused)
}

#[cfg(test)]
mod tests;
