//! Determines the client IP address behind proxies.
//!
//! Without configured proxies no header is trusted. With proxies, the client is the nearest hop
//! that is not one of them, so a client cannot change its address by sending `X-Forwarded-For`.
//!
//! # Security
//!
//! If a configured network contains other machines than proxies, these can choose their address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

/// The networks of the trusted proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

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
        networks.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Returns `true` if the IP address belongs to a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the IP address of the client behind a socket, given the values of `X-Forwarded-For`
    /// in order: the rightmost hop that is not a trusted proxy. An invalid entry ends the search at
    /// the hop before it.
    pub(crate) fn client<'a>(
        &self,
        socket: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut client = socket.to_canonical();
        for hop in forwarded.rev().flat_map(|line| line.rsplit(',')) {
            if !self.0.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(hop) = read_hop(hop.trim()) else { break };
            client = hop.to_canonical();
        }
        client
    }

    /// Returns `true` if no proxy is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Parses an entry of `X-Forwarded-For`: an IP address, which some proxies write with a port.
fn read_hop(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().or_else(|_| with_port()).ok().or_else(in_brackets)
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
            let found = proxies.client(socket.parse().unwrap(), lines.iter().copied());
            assert_eq!(found.to_string(), client, "{name}");
        }
        assert!(Proxies::parse(["10.0.0.0/33"]).is_err());
        assert!(Proxies::parse(["proxy.example.com"]).is_err());
    }
}
