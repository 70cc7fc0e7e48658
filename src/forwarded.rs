//! Reads the hops of a request from the headers of proxies: `X-Forwarded-For`, `Forwarded`
//! (RFC 7239), or a header of a platform with one IP address.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
/// Headers in which proxies and platforms write the IP address of a client, to detect a proxy that
/// is not configured.
const OTHERS: [HeaderName; 5] = [
    X_FORWARDED_FOR,
    FORWARDED,
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("fly-client-ip"),
    HeaderName::from_static("x-real-ip"),
];

/// The header that the trusted proxies set.
#[derive(Clone, Debug)]
pub(crate) struct HopHeader(HeaderName);

impl Default for HopHeader {
    fn default() -> Self {
        Self(X_FORWARDED_FOR)
    }
}

impl HopHeader {
    /// Parses the name of a header.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        HeaderName::from_bytes(name.as_bytes()).ok().map(Self)
    }

    /// Returns the hops, the nearest first. `None` is an entry that is not an IP address.
    pub(crate) fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        hops(&self.0, headers)
    }

    /// Returns the name of a header that proxies set and that names a client other than this one,
    /// and whether it is the configured one.
    pub(crate) fn naming_another(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Option<(HeaderName, bool)> {
        let first = [self.0.clone()];
        let mut all = first.into_iter().chain(OTHERS);
        let name = all.find(|name| {
            hops(name, headers).last().copied().flatten().is_some_and(|ip| ip != client)
        })?;
        let is_configured = name == self.0;
        Some((name, is_configured))
    }
}

fn hops(name: &HeaderName, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let text = |line: &HeaderValue| line.to_str().unwrap_or_default().to_owned();
    if *name == X_FORWARDED_FOR {
        let lines = lines.into_iter().rev().map(text);
        return lines.flat_map(|line| line.rsplit(',').map(read_hop).collect::<Vec<_>>()).collect();
    }
    if *name == FORWARDED {
        return lines.into_iter().rev().flat_map(|line| elements(&text(line))).collect();
    }
    // A client may send the header too, unless the proxy replaces it.
    match lines.as_slice() {
        [] => Vec::new(),
        [line] => vec![read_hop(&text(line))],
        _ => vec![None],
    }
}

/// Parses an IP address, which some proxies write with a port or in brackets.
fn read_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().or_else(|_| with_port()).ok().or_else(in_brackets);
    address.map(|address: IpAddr| address.to_canonical())
}

/// Returns the `for` parameters of a line of `Forwarded` (RFC 7239 §4), the last one first.
///
/// A malformed line is one unreadable hop: by an open quotation mark, a client could otherwise hide
/// the element that a proxy adds to its line.
fn elements(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = pairs(line) else { return vec![None] };
    let hop = |pairs: &Vec<(String, String)>| {
        let mut named = pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case("for"));
        match (named.next(), named.next()) {
            (Some((_, value)), None) => read_hop(value),
            _ => None,
        }
    };
    elements.iter().rev().map(hop).collect()
}

/// Returns the parameters of each element, or `None` if the line is malformed.
fn pairs(line: &str) -> Option<Vec<Vec<(String, String)>>> {
    let mut elements = vec![Vec::new()];
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let end = after.find([',', ';']).unwrap_or(after.len());
                let (value, after) = after.split_at_checked(end)?;
                let value = value.trim_end();
                // IPv6 addresses have to be quoted, but not every proxy does so.
                value.bytes().all(|b| is_token(b) || b"[]:".contains(&b)).then_some(())?;
                (value.to_owned(), after)
            }
        };
        elements.last_mut()?.push((name.to_owned(), value));
        let after = after.trim_start();
        rest = match after.as_bytes().first() {
            None => after,
            Some(b';') => after.get(1..)?.trim_start(),
            Some(b',') => {
                elements.push(Vec::new());
                after.get(1..)?.trim_start()
            }
            Some(_) => return None,
        };
    }
    Some(elements)
}

/// Splits the text after a quotation mark into the quoted text and the rest.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut quoted = String::new();
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => {
                quoted.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Some((quoted, text.get(at + 1..)?)),
            _ => quoted.push(c),
        }
    }
    None
}

/// Returns whether a byte may be part of a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_str(line).unwrap());
        let hops = HopHeader(FORWARDED).hops(&headers);
        hops.iter().map(|hop| hop.map_or("?".to_owned(), |ip| ip.to_string())).collect()
    }

    /// The examples of RFC 7239 §4 and §7.1.
    #[test]
    fn forwarded_is_parsed_as_in_the_rfc() {
        for (line, hops) in [
            ("for=\"_gazonk\"", &["?"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"]),
            ("for=192.0.2.43, for=198.51.100.17", &["198.51.100.17", "192.0.2.43"]),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                &["?", "2001:db8:cafe::17", "192.0.2.43"],
            ),
            ("for=\"192.0.2.43:47011\"", &["192.0.2.43"]),
            ("proto=https;host=\"a,b;c=\\\"d\";for=192.0.2.1", &["192.0.2.1"]),
            ("by=203.0.113.43", &["?"]),
            ("for=192.0.2.1;for=192.0.2.2", &["?"]),
            ("192.0.2.1", &["?"]),
        ] {
            assert_eq!(read(line), hops, "{line}");
        }
    }

    #[test]
    fn open_quotation_mark_does_not_hide_the_element_of_a_proxy() {
        for sent in ["for=\"", "for=1.1.1.1;by=\"", "for=\"1.1.1.1", "for=1.1.1.1;x=\"\\"] {
            for added in [
                "for=198.51.100.9",
                "for=\"198.51.100.9:1\"",
                "for=198.51.100.9;host=\"app.example.com\"",
                "for=198.51.100.9;host=\"\"",
            ] {
                let hops = read(&format!("{sent}, {added}"));
                assert_ne!(hops[0], "1.1.1.1", "{sent} {added}");
                assert!(hops == ["?"] || hops[0] == "198.51.100.9", "{sent} {added}: {hops:?}");
            }
        }
    }
}
