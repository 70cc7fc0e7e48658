//! Determines the client IP address behind proxies.
//!
//! Without configured proxies no header is trusted. With proxies, the client is the nearest hop
//! that is not one of them, so a client cannot change its address by sending the header that the
//! proxies set (`X-Forwarded-For`, unless another one is configured).
//!
//! # Security
//!
//! If a configured network contains other machines than proxies, these can choose their address.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::forwarded::HopHeader;

/// The name of a peer behind a Unix socket, which has no IP address.
pub(crate) const UNIX: &str = "unix";

/// The trusted proxies, and the header that they set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    /// Whether a peer without an IP address is a trusted proxy.
    unix: bool,
    header: HopHeader,
}

/// The text is neither an IP address nor a network in CIDR notation (RFC 4632).
///
/// ```
/// use authlayer::TrustGatewayLayer;
///
/// let error = TrustGatewayLayer::new(["10.0.0.0/99"]).unwrap_err();
/// assert!(error.to_string().contains("10.0.0.0/99"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IP address or a network such as \"10.0.0.0/8\"")]
pub struct InvalidNetwork(String);

impl Proxies {
    pub(crate) fn parse<'a>(
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidNetwork> {
        let read = |text: &str| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| InvalidNetwork(text.to_owned()))
        };
        networks.into_iter().map(read).collect::<Result<_, _>>().map(Self::of)
    }

    fn of(networks: Vec<IpNet>) -> Self {
        Self { networks, ..Self::default() }
    }

    /// Returns these proxies with the header that they set, and whether a peer without an IP
    /// address is one of them.
    pub(crate) fn with(self, header: HopHeader, unix: bool) -> Self {
        Self { unix, header, ..self }
    }

    /// Returns `true` if the IP address belongs to a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the IP address of the client behind a socket, whose own IP address is `None` for a
    /// Unix socket: the nearest hop that is not a trusted proxy. An invalid entry ends the search at
    /// the hop before it.
    pub(crate) fn client(&self, socket: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = socket.map(|ip| ip.to_canonical());
        if !self.trusts(client) {
            return client;
        }
        for hop in self.header.hops(headers) {
            let Some(hop) = hop else { break };
            client = Some(hop);
            if !self.contains(hop) {
                break;
            }
        }
        client
    }

    /// Returns `true` if a peer is a trusted proxy. A peer behind a Unix socket has no IP address.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix, |ip| self.contains(ip))
    }

    /// Returns `true` if a peer without an IP address is a trusted proxy.
    pub(crate) fn has_unix(&self) -> bool {
        self.unix
    }

    /// Returns the header that names a client other than this one, and whether it is the configured
    /// one.
    pub(crate) fn naming_another(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Option<(HeaderName, bool)> {
        self.header.naming_another(headers, client)
    }

    /// Returns `true` if no proxy is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}

/// Returns the group of IP addresses that counts as one client: an IPv4 address, also one embedded
/// in an IPv6 address by NAT64 (RFC 6052 §2.1), or the /64 network of an IPv6 address.
pub(crate) fn group(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => match ip.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
                let [.., a, b, c, d] = ip.octets();
                Ipv4Addr::new(a, b, c, d).to_string()
            }
            [a, b, c, d, ..] => format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"),
        },
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => ip.to_owned(),
    }
}

/// Returns `true` if the IP address is loopback, private, link-local or shared (RFC 6598).
pub(crate) fn is_local(ip: &str) -> bool {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || (a == 100 && (64..128).contains(&b))
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_socket_counts_as_a_proxy_if_configured() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 203.0.113.7".parse().unwrap());
        let proxies = Proxies::default().with(HopHeader::default(), true);
        assert_eq!(proxies.client(None, &headers).unwrap().to_string(), "203.0.113.7");
        let with_socket = proxies.client(Some("10.0.0.1".parse().unwrap()), &headers);
        assert_eq!(with_socket.unwrap().to_string(), "10.0.0.1");
        assert_eq!(Proxies::default().client(None, &headers), None);
    }

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        // F10
        for ip in [
            "2001:db8:0:1::1",
            "2001:db8:0:1::2",
            "2001:0DB8:0000:0001:ffff::",
            "2001:db8::1:0:0:0:9",
        ] {
            assert_eq!(group(ip), "2001:db8:0:1::/64", "{ip}");
        }
        assert_eq!(group("::ffff:198.51.100.1"), group("198.51.100.1"));
        assert_ne!(group("2001:db8:0:2::1"), group("2001:db8:0:1::1"));
    }

    #[test]
    fn nat64_address_maps_to_its_ipv4_address() {
        // PX-03
        assert_eq!(group("64:ff9b::203.0.113.66"), "203.0.113.66");
        assert_ne!(group("64:ff9b::203.0.113.66"), group("64:ff9b::198.51.100.20"));
        assert_eq!(group("64:ff9b:1::1"), "64:ff9b:1:0::/64", "a local-use prefix");
    }

    #[test]
    fn loopback_and_private_addresses_are_local() {
        for ip in ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"] {
            assert!(is_local(ip), "{ip}");
        }
        for ip in ["fd00::1", "fe80::1", "::ffff:127.0.0.1", "169.254.1.1"] {
            assert!(is_local(ip), "{ip}");
        }
        for ip in ["203.0.113.9", "2001:db8::1", "100.128.0.1", "unknown"] {
            assert!(!is_local(ip), "{ip}");
        }
    }

    #[test]
    fn client_is_the_nearest_untrusted_hop() {
        // CK-19
        let none: &[&str] = &[];
        let ours: &[&str] = &["10.0.0.0/8", "2001:db8::1"];
        for (name, proxies, socket, lines, client) in [
            ("no header", ours, "10.0.0.1", none, "10.0.0.1"),
            ("no proxies", none, "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("not our proxy", ours, "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("one proxy", ours, "10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("a forged hop", ours, "10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("two proxies", ours, "10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("two lines", ours, "10.0.0.1", &["1.1.1.1", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
            ("all ours", ours, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("unreadable", ours, "10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("empty", ours, "10.0.0.1", &[""], "10.0.0.1"),
            ("mapped", ours, "::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("IPv6", ours, "2001:db8::1", &["2001:db8::2"], "2001:db8::2"),
            ("port", ours, "10.0.0.1", &["1.1.1.1, 203.0.113.7:51234"], "203.0.113.7"),
            ("IPv6 with port", ours, "10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("IPv6 in brackets", ours, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("ports of proxies", ours, "10.0.0.1", &["1.1.1.1:80, 10.0.0.2:81"], "1.1.1.1"),
            ("no port", ours, "10.0.0.1", &["1.1.1.1:port"], "10.0.0.1"),
        ] {
            let proxies = Proxies::parse(proxies.iter().copied()).unwrap();
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let found = proxies.client(Some(socket.parse().unwrap()), &headers);
            assert_eq!(found.unwrap().to_string(), client, "{name}");
        }
        for (lines, client) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["203.0.113.7", "203.0.113.8"], "10.0.0.1"),
            (&["203.0.113.7, 203.0.113.8"], "10.0.0.1"),
            (&["[2001:db8::7]:443"], "2001:db8::7"),
            (&[], "10.0.0.1"),
        ] {
            let header = HopHeader::parse("CF-Connecting-IP").unwrap();
            let proxies = Proxies::parse(["10.0.0.0/8"]).unwrap().with(header, false);
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", "1.1.1.1".parse().unwrap());
            for line in lines {
                headers.append("cf-connecting-ip", line.parse().unwrap());
            }
            let found = proxies.client(Some("10.0.0.1".parse().unwrap()), &headers);
            assert_eq!(found.unwrap().to_string(), client, "{lines:?}");
            let stranger = proxies.client(Some("192.0.2.9".parse().unwrap()), &headers);
            assert_eq!(stranger.unwrap().to_string(), "192.0.2.9");
            assert_eq!(proxies.client(None, &headers), None);
        }
        assert!(Proxies::parse(["10.0.0.0/33"]).is_err());
        assert!(Proxies::parse(["proxy.example.com"]).is_err());
    }
}
