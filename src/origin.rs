//! The public origins of the application.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Uri};

use crate::network::is_local;

type Predicate = dyn Fn(&str) -> bool + Send + Sync;

/// The public origins of the application (RFC 6454), which are trusted to send requests and to be
/// redirect targets: those that are listed, and those that a suffix or a predicate accepts.
#[derive(Clone)]
pub struct Origins {
    all: Vec<String>,
    secure: bool,
    /// Hosts with their port, each after a dot.
    suffixes: Vec<String>,
    predicates: Vec<Arc<Predicate>>,
    links: Option<String>,
    callbacks: Option<String>,
}

/// The text is not a valid origin.
///
/// ```
/// use authlayer::{ConfigError, InvalidOrigin};
///
/// fn is_plain_http(error: &ConfigError) -> bool {
///     matches!(error, ConfigError::Origin(InvalidOrigin::Insecure(_)))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// The text is not `scheme://host[:port]` in lower case.
    #[error("{0:?} is not an origin: expected scheme://host or scheme://host:port")]
    Malformed(String),
    /// The origin is plain HTTP on a host that is not loopback (ASVS 12.2.1).
    #[error("{0:?} is plain http on a host that is not loopback: use https")]
    Insecure(String),
    /// The development origin is not plain HTTP on a private IP address.
    #[error(
        "the development origin {0:?} is invalid: expected http:// with a private IP address, such as \"http://192.168.1.20:3000\""
    )]
    Development(String),
    /// There is a development origin beside origins that use HTTPS.
    #[error("the development origin {0:?} is plain http, and {1:?} is https: remove one of them")]
    DevelopmentBesideHttps(String, String),
    /// The origins have different schemes, but cookies are either `Secure` or not.
    #[error("{0:?} has a different scheme than the first origin")]
    Mixed(String),
    /// The suffix is not a domain with at least two labels, or `localhost`.
    #[error(
        "the origin suffix {0:?} is invalid: expected a domain such as \"example.com\" or \"localhost:3000\""
    )]
    Suffix(String),
    /// The origin of links or of callbacks is not one of the origins.
    #[error("{0:?} is not one of the origins: add it with .origin({0:?})")]
    NotListed(String),
}

/// The origins as they were configured.
#[derive(Default)]
pub(crate) struct OriginOptions {
    listed: Vec<String>,
    suffixes: Vec<String>,
    predicates: Vec<Arc<Predicate>>,
    development: Option<String>,
    links: Option<String>,
    callbacks: Option<String>,
}

impl OriginOptions {
    pub(crate) fn list(&mut self, origin: impl Into<String>) {
        self.listed.push(origin.into());
    }

    pub(crate) fn suffix(&mut self, suffix: impl Into<String>) {
        self.suffixes.push(suffix.into());
    }

    pub(crate) fn predicate(&mut self, accepts: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.predicates.push(Arc::new(accepts));
    }

    pub(crate) fn development(&mut self, origin: impl Into<String>) {
        self.development = Some(origin.into());
    }

    pub(crate) fn links(&mut self, origin: impl Into<String>) {
        self.links = Some(origin.into());
    }

    pub(crate) fn callbacks(&mut self, origin: impl Into<String>) {
        self.callbacks = Some(origin.into());
    }

    pub(crate) fn listed(&self) -> &[String] {
        &self.listed
    }

    /// Checks the options.
    pub(crate) fn build(&self) -> Result<Origins, InvalidOrigin> {
        let mut origins = Origins::parse(self.listed.iter().map(String::as_str))?;
        if let Some(origin) = &self.development {
            if !is_plain_http_on_a_private_address(origin) {
                return Err(InvalidOrigin::Development(origin.clone()));
            }
            if origins.secure {
                let listed = origins.first().to_owned();
                return Err(InvalidOrigin::DevelopmentBesideHttps(origin.clone(), listed));
            }
            tracing::warn!(
                "the development origin {origin} is plain http: passwords and sessions can be read \
                 and changed by everything in the local network. Remove .development_origin({origin:?}) \
                 from what is deployed"
            );
            origins.all.push(origin.clone());
        }
        for origin in self.links.iter().chain(&self.callbacks) {
            if !origins.all.contains(origin) {
                return Err(InvalidOrigin::NotListed(origin.clone()));
            }
        }
        let scheme = if origins.secure { "https" } else { "http" };
        let suffixes = self.suffixes.iter().map(|suffix| match is_suffix(scheme, suffix) {
            true => Ok(format!(".{suffix}")),
            false => Err(InvalidOrigin::Suffix(suffix.clone())),
        });
        let suffixes = suffixes.collect::<Result<_, _>>()?;
        let predicates = self.predicates.clone();
        let (links, callbacks) = (self.links.clone(), self.callbacks.clone());
        Ok(Origins { suffixes, predicates, links, callbacks, ..origins })
    }
}

impl Origins {
    pub(crate) fn parse<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidOrigin> {
        let mut all = Vec::new();
        let mut secure = None;
        for text in texts {
            let https = scheme_is_secure(text)?;
            if *secure.get_or_insert(https) != https {
                return Err(InvalidOrigin::Mixed(text.to_owned()));
            }
            all.push(text.to_owned());
        }
        let (suffixes, predicates, links, callbacks) = (Vec::new(), Vec::new(), None, None);
        Ok(Self { all, secure: secure.unwrap_or(true), suffixes, predicates, links, callbacks })
    }

    /// Returns `true` if the origins use HTTPS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the origin of the pages that links lead to.
    pub(crate) fn of_links(&self) -> &str {
        self.links.as_deref().unwrap_or_else(|| self.first())
    }

    /// Returns the origin of the router.
    pub(crate) fn of_callbacks(&self) -> &str {
        self.callbacks.as_deref().unwrap_or_else(|| self.first())
    }

    pub(crate) fn first(&self) -> &str {
        self.all.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns `true` if an `Origin` header equals one of the origins, byte for byte.
    pub(crate) fn contains(&self, header: &HeaderValue) -> bool {
        self.all.iter().any(|origin| origin.as_bytes() == header.as_bytes())
            || header.to_str().is_ok_and(|origin| self.accepts(origin))
    }

    /// Returns `true` if a suffix or a predicate accepts an origin that is written as browsers do,
    /// with the scheme of the listed origins.
    pub(crate) fn accepts(&self, origin: &str) -> bool {
        self.has_rules()
            && scheme_is_secure(origin) == Ok(self.secure)
            && (self.suffixes.iter().any(|suffix| is_below(origin, suffix))
                || self.predicates.iter().any(|accepts| accepts(origin)))
    }

    /// Returns `true` if origins that are not listed can be accepted.
    pub(crate) fn has_rules(&self) -> bool {
        !self.suffixes.is_empty() || !self.predicates.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// Returns the host of each origin and of each suffix, without its port.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        let listed = self.all.iter().map(|origin| host_of(origin));
        let suffixes = self.suffixes.iter().map(|suffix| host_of(suffix.trim_start_matches('.')));
        listed.chain(suffixes)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut origins = f.debug_struct("Origins");
        origins.field("all", &self.all).field("suffixes", &self.suffixes).finish_non_exhaustive()
    }
}

/// Returns the host of an origin without its port.
pub(crate) fn host_of(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Returns `true` if the origin has labels of a host name before the suffix.
fn is_below(origin: &str, suffix: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let labels = authority.and_then(|authority| authority.strip_suffix(suffix));
    labels.is_some_and(|labels| {
        labels.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        })
    })
}

fn scheme_is_secure(text: &str) -> Result<bool, InvalidOrigin> {
    let malformed = || InvalidOrigin::Malformed(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| malformed())?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(malformed)?;
    let as_browsers_write_it = format!("{scheme}://{authority}");
    let default_port =
        matches!((scheme, authority.port_u16()), ("https", Some(443)) | ("http", Some(80)));
    if text != as_browsers_write_it
        || text.bytes().any(|b| b.is_ascii_uppercase())
        || authority.as_str().contains('@')
        || authority.host().is_empty()
        || default_port
    {
        return Err(malformed());
    }
    match scheme {
        "https" => Ok(true),
        "http" if is_loopback(authority.host()) => Ok(false),
        "http" => Err(InvalidOrigin::Insecure(text.to_owned())),
        _ => Err(malformed()),
    }
}

/// Returns `true` for an origin as browsers write it, with a private IP address as its host.
fn is_plain_http_on_a_private_address(origin: &str) -> bool {
    let is_http = matches!(scheme_is_secure(origin), Err(InvalidOrigin::Insecure(_)));
    is_http && is_local(host_of(origin).trim_start_matches('[').trim_end_matches(']'))
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns `true` for a domain with an optional port. A top-level domain contains the sites of
/// others, except for `localhost`.
fn is_suffix(scheme: &str, suffix: &str) -> bool {
    let host = host_of(suffix);
    let is_label = |label: &str| {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(is_letter)
    };
    host.split('.').all(is_label)
        && (host.contains('.') || host == "localhost")
        && host.parse::<std::net::IpAddr>().is_err()
        && scheme_is_secure(&format!("{scheme}://{suffix}")).is_ok()
}

#[cfg(test)]
mod tests;
