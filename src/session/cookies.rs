//! Names of cookies, and the requests that carry them.

/// The requests that carry the access and refresh cookies (RFC 6265bis §5.6.7).
///
/// ```
/// use authlayer::{CookieOptions, SameSite};
///
/// assert_eq!(CookieOptions::default().same_site, SameSite::Lax);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Requests of the same site, and top-level navigations from other sites.
    #[default]
    Lax,
    /// Requests of the same site only. After a link from another site, the first page is loaded
    /// signed out.
    Strict,
}

/// Options of cookies.
///
/// | option | default | reason |
/// |---|---|---|
/// | `name` | `auth` | the stem of every name: `__Host-auth`, `__Host-auth-refresh`, … |
/// | `domain` | none | a domain whose hosts share the session; the prefix is then `__Secure-` |
/// | `same_site` | `Lax` | links from other sites open signed in; applies to the access and refresh cookies |
///
/// ```
/// use authlayer::{CookieOptions, SameSite, SessionOptions};
///
/// let cookie = CookieOptions::default().name("example").same_site(SameSite::Strict);
/// let options = SessionOptions::default().cookie(cookie);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CookieOptions {
    /// The stem of every name.
    pub name: String,
    /// The domain of the access, refresh and device cookies.
    pub domain: Option<String>,
    /// The `SameSite` attribute of the access and refresh cookies.
    pub same_site: SameSite,
}

impl Default for CookieOptions {
    fn default() -> Self {
        Self { name: "auth".to_owned(), domain: None, same_site: SameSite::Lax }
    }
}

impl CookieOptions {
    /// Sets [`name`](Self::name).
    #[must_use]
    pub fn name(mut self, stem: impl Into<String>) -> Self {
        self.name = stem.into();
        self
    }

    /// Sets [`domain`](Self::domain).
    ///
    /// # Security
    ///
    /// Every host of the domain receives the tokens of its users, and can set cookies of the same
    /// names.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<Option<String>>) -> Self {
        self.domain = domain.into();
        self
    }

    /// Sets [`same_site`](Self::same_site).
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    pub(crate) fn problem<'a>(
        &self,
        mut hosts: impl Iterator<Item = &'a str>,
    ) -> Option<&'static str> {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(is_name) {
            return Some(
                "cookie name must have 1 to 64 letters, digits, `-` and `_`, without a prefix",
            );
        }
        let domain = self.domain.as_deref()?;
        let covers = |host: &str| {
            let sub = host.strip_suffix(domain).and_then(|sub| sub.strip_suffix('.'));
            host == domain || sub.is_some_and(|sub| !sub.is_empty())
        };
        let is_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        if domain.is_empty()
            || domain.starts_with('.')
            || !domain.bytes().all(is_domain)
            || domain.parse::<std::net::IpAddr>().is_ok()
        {
            Some("cookie domain must be written as \"example.com\"")
        } else if !hosts.all(covers) {
            Some("cookie domain must cover every origin")
        } else {
            None
        }
    }

    /// Returns the names as used in headers.
    pub(crate) fn names(&self, secure: bool) -> CookieNames {
        let (shared, own) = match (secure, &self.domain) {
            (false, _) => ("", ""),
            (true, None) => ("__Host-", "__Host-"),
            (true, Some(_)) => ("__Secure-", "__Host-"),
        };
        let stem = &self.name;
        CookieNames {
            access: format!("{shared}{stem}"),
            refresh: format!("{shared}{stem}-refresh"),
            device: format!("{shared}{stem}-device"),
            flow: format!("{own}{stem}-flow-"),
            mail: format!("{own}{stem}-mail-"),
            bound: format!("{own}{stem}-bound-"),
            pending: format!("{own}{stem}-pending"),
            link: format!("{own}{stem}-link"),
            impersonator: format!("{own}{stem}-impersonator"),
        }
    }
}

/// The names of the cookies with their prefixes.
#[derive(Debug)]
pub(crate) struct CookieNames {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) device: String,
    /// The prefix of the cookies of ceremonies.
    pub(crate) flow: String,
    /// The prefix of the cookies of requested links.
    pub(crate) mail: String,
    /// The prefix of the cookies of challenges that flows outside this crate bind to the browser.
    pub(crate) bound: String,
    /// The challenge of a pending sign-in.
    pub(crate) pending: String,
    /// The token of the link of a message that was opened.
    pub(crate) link: String,
    /// The refresh token of an administrator who acts as another user.
    pub(crate) impersonator: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_domain_must_cover_every_origin() {
        let options = |domain: &str| CookieOptions::default().domain(domain.to_owned());
        for (domain, hosts, good) in [
            ("example.com", vec!["example.com"], true),
            ("example.com", vec!["app.example.com", "api.example.com"], true),
            ("example.com", vec!["app.example.com", "other.example"], false),
            ("example.com", vec!["notexample.com"], false),
            (".example.com", vec!["app.example.com"], false),
            ("Example.com", vec!["app.example.com"], false),
            ("127.0.0.1", vec!["127.0.0.1"], false),
            ("", vec!["app.example.com"], false),
        ] {
            let problem = options(domain).problem(hosts.into_iter());
            assert_eq!(problem.is_none(), good, "{domain}: {problem:?}");
        }
        for (name, good) in [
            ("auth", true),
            ("my_app-1", true),
            ("", false),
            ("a b", false),
            ("a=b", false),
            ("__Host-", true),
        ] {
            let problem = CookieOptions::default().name(name).problem([].into_iter());
            assert_eq!(problem.is_none(), good, "{name}");
        }
    }
}
