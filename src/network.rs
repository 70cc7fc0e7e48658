//! Where a request comes from, when proxies stand in front.
//!
//! What is guaranteed: without configured proxies no header is believed, and with them the
//! address is that of the nearest hop which none of them is, so a client can write what it
//! likes into `X-Forwarded-For` and stays who it is. What a deployment can break: a network
//! that holds more than proxies lets everybody in it choose their address.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks of our own proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

/// Not an address, nor a network in CIDR notation (RFC 4632).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address or a network such as \"10.0.0.0/8\"")]
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

    /// Whether an address is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind a socket, given the values of `X-Forwarded-For` in their order: the
    /// rightmost hop that is not ours. What cannot be read ends the walk at the hop before.
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
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
            client = hop.to_canonical();
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_nearest_hop_that_is_not_ours() {
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
        ] {
            let proxies = Proxies::parse(proxies.iter().copied()).unwrap();
            let found = proxies.client(socket.parse().unwrap(), lines.iter().copied());
            assert_eq!(found.to_string(), client, "{name}");
        }
        assert!(Proxies::parse(["10.0.0.0/33"]).is_err());
        assert!(Proxies::parse(["proxy.example.com"]).is_err());
    }
}
