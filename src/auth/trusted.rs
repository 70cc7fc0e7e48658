//! Parses the options of proxies.

use crate::{
    config::ConfigError,
    forwarded::HopHeader,
    network::{Proxies, UNIX},
};

/// Parses the trusted proxies and the header that they set.
pub(super) fn proxies(trusted: &[String], header: Option<&str>) -> Result<Proxies, ConfigError> {
    let networks = trusted.iter().map(String::as_str).filter(|network| *network != UNIX);
    let proxies = Proxies::parse(networks)?;
    let unix = trusted.iter().any(|network| network == UNIX);
    let Some(name) = header else { return Ok(proxies.with(HopHeader::default(), unix)) };
    let invalid = |problem| ConfigError::ClientIpHeader { name: name.to_owned(), problem };
    let header = HopHeader::parse(name).ok_or_else(|| invalid("it is not the name of a header"))?;
    let proxies = proxies.with(header, unix);
    if proxies.is_empty() {
        return Err(invalid("no proxy is trusted to set it: add .trusted_proxy(\"10.0.0.0/8\")"));
    }
    Ok(proxies)
}
