//! The public origins of the application.

use http::{HeaderValue, Uri};

/// The public origins of the application (RFC 6454). The first one is used for links and cookies;
/// all of them are trusted to send requests.
#[derive(Clone, Debug)]
pub struct Origins {
    all: Vec<String>,
    secure: bool,
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
    /// The origins have different schemes, but cookies are either `Secure` or not.
    #[error("{0:?} has a different scheme than the first origin")]
    Mixed(String),
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
        Ok(Self { all, secure: secure.unwrap_or(true) })
    }

    /// Returns `true` if the origins use HTTPS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the origin for links.
    pub(crate) fn first(&self) -> &str {
        self.all.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns `true` if an `Origin` header equals one of the origins, byte for byte.
    pub(crate) fn contains(&self, header: &HeaderValue) -> bool {
        self.all.iter().any(|origin| origin.as_bytes() == header.as_bytes())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// Returns the host of each origin, without its port.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|origin| {
            let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
            match authority.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
                _ => authority,
            }
        })
    }
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

pub(crate) fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_formatted_as_browsers_do() {
        // CK-09
        for (text, good) in [
            ("https://app.example.com", true),
            ("https://app.example.com:8443", true),
            ("http://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://127.8.9.1:3000", true),
            ("http://app.localhost:3000", true),
            ("http://a.b.localhost", true),
            ("http://applocalhost", false),
            ("http://128.0.0.1", false),
            ("http://app.example.com", false),
            ("http://localhost.evil.example", false),
            ("https://app.example.com/", false),
            ("https://app.example.com/x", false),
            ("https://App.example.com", false),
            ("https://app.example.com:443", false),
            ("https://me@app.example.com", false),
            ("ftp://app.example.com", false),
            ("app.example.com", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(Origins::parse([text]).is_ok(), good, "{text}");
        }
        assert!(Origins::parse(["https://a.example", "http://localhost"]).is_err());
    }
}
