//! Where a browser may be sent after a sign-in.

use crate::{
    error::{AuthError, ErrorKind},
    origin::Origins,
};

const LONGEST: usize = 1024;

/// The places of the application: paths of its own, and what it named beyond them.
#[derive(Clone, Debug)]
pub(crate) struct Redirects {
    origins: Vec<String>,
    exact: Vec<String>,
    error_page: Option<String>,
}

impl Redirects {
    /// Entries that are origins admit every path of theirs; any other entry admits itself
    /// alone, byte for byte, such as the scheme of a native application.
    pub(crate) fn new(
        own: &Origins,
        allowed: Vec<String>,
        error_page: Option<String>,
    ) -> Result<Self, String> {
        let mut redirects = Self {
            origins: own.iter().map(str::to_owned).collect(),
            exact: Vec::new(),
            error_page,
        };
        for entry in allowed {
            if Origins::parse([entry.as_str()]).is_ok() {
                redirects.origins.push(entry);
            } else if is_plain(&entry) && has_scheme(&entry) {
                redirects.exact.push(entry);
            } else {
                return Err(entry);
            }
        }
        match &redirects.error_page {
            Some(page) if !is_own_path(page) => Err(page.clone()),
            _ => Ok(redirects),
        }
    }

    /// Checks a place that a request asked for (RFC 9700 §4.11).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRedirect`].
    pub(crate) fn check(&self, place: &str) -> Result<(), AuthError> {
        let good = place.len() <= LONGEST
            && is_plain(place)
            && (is_own_path(place) || self.is_allowed(place) || self.is_exact(place));
        if good { Ok(()) } else { Err(ErrorKind::InvalidRedirect.into()) }
    }

    /// Whether a place is one that was named exactly: what a native application must use.
    pub(crate) fn is_exact(&self, place: &str) -> bool {
        self.exact.iter().any(|own| own == place)
    }

    pub(crate) fn error_page(&self) -> Option<&str> {
        self.error_page.as_deref()
    }

    fn is_allowed(&self, place: &str) -> bool {
        self.origins.iter().any(|origin| {
            place
                .strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        })
    }
}

/// Visible ASCII, and nothing that one reader takes for `/` and another does not.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

fn is_own_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    let lower = rest.get(..3).unwrap_or(rest).to_ascii_lowercase();
    is_plain(text) && !rest.starts_with('/') && !matches!(lower.as_str(), "%2f" | "%5c" | "%09")
}

/// A scheme that a browser does not run (`javascript:`, `data:`) or open as a file.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named =
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let known = ["javascript", "data", "vbscript", "file", "blob", "about"];
    named
        && !rest.is_empty()
        && !scheme.is_empty()
        && !known.iter().any(|bad| scheme.eq_ignore_ascii_case(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_the_application_pass() {
        // E1, CK-18
        let own = Origins::parse(["https://app.example.com"]).unwrap();
        let allowed = ["https://ok.example.com", "myapp://callback", "http://127.0.0.1/done"];
        let allowed = allowed.map(str::to_owned).to_vec();
        let redirects = Redirects::new(&own, allowed, Some("/sign-in".to_owned())).unwrap();
        for (place, good) in [
            ("/", true),
            ("/deep/page?x=1&y=%2F#z", true),
            ("https://app.example.com/x", true),
            ("https://ok.example.com", true),
            ("https://ok.example.com?x", true),
            ("myapp://callback", true),
            ("http://127.0.0.1/done", true),
            ("", false),
            ("page", false),
            ("//evil.example", false),
            ("///evil.example", false),
            ("/\\evil.example", false),
            ("\\\\evil.example", false),
            ("https:evil.example", false),
            ("https:/evil.example", false),
            ("https://evil.example", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("/%2f/evil.example", false),
            ("/%2F/evil.example", false),
            ("/%5cevil.example", false),
            ("/%09/evil.example", false),
            ("/\t/evil.example", false),
            ("/a\r\nSet-Cookie: x", false),
            ("https://ok.example.com@evil.example", false),
            ("https://me@ok.example.com/", false),
            ("https://ok.example.com.evil.example", false),
            ("https://evil.example?https://ok.example.com", false),
            ("https://ok.example.com./", false),
            ("https://ok.example.com:444/", false),
            ("http://ok.example.com/", false),
            ("HTTPS://ok.example.com/", false),
            ("myapp://callback/more", false),
            ("myapp://callback?x", false),
            ("otherapp://callback", false),
            ("http://127.0.0.1:1/done", false),
            ("/\u{2044}evil", false),
        ] {
            assert_eq!(redirects.check(place).is_ok(), good, "{place}");
        }
        assert!(redirects.check(&format!("/{}", "x".repeat(1024))).is_err(), "E11");
        for bad in ["javascript://x", "data://x", "evil", "/path", "https://ok.example.com/\t"] {
            assert!(Redirects::new(&own, vec![bad.to_owned()], None).is_err(), "{bad}");
        }
        assert!(Redirects::new(&own, Vec::new(), Some("https://evil.example".to_owned())).is_err());
    }
}
