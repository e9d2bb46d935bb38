//! Sources: what counts as one origin of connections, participants and requests.
//!
//! A client that controls one address of a loopback network or of an IPv6 subnet controls all of
//! it, so limits on single addresses would not limit anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many times the share of one source a [`network`] may have.
pub const NETWORK_SHARE: u32 = 2;

/// The part of a common resource that one source may have: a half.
pub const fn share(all: usize) -> usize {
    all / 2
}

/// The same for a [`network`]: three quarters.
pub const fn network_share(all: usize) -> usize {
    all / 4 * 3
}

/// The source that an address belongs to: all loopback addresses are one, an IPv4-mapped address
/// is its IPv4 address, and an IPv6 /64 network is one, since it is the least that a subscriber
/// gets (<https://www.rfc-editor.org/rfc/rfc6177>).
pub fn source(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    if address.is_loopback() {
        return Ipv4Addr::LOCALHOST.into();
    }
    match address {
        IpAddr::V6(address) => prefix(address, 64),
        IpAddr::V4(_) => address,
    }
}

/// The IPv6 /48 network that a source belongs to, the most that a site gets by the same RFC: it
/// holds 65,536 sources. `None` for IPv4, whose addresses are handed out one by one.
pub fn network(source: IpAddr) -> Option<IpAddr> {
    match source {
        IpAddr::V6(address) => Some(prefix(address, 48)),
        IpAddr::V4(_) => None,
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_one_subscriber_has_is_one_source() {
        for (one, other) in [
            ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("127.0.0.1", "127.255.255.254"),
            ("127.0.0.1", "::1"),
            ("127.0.0.1", "::ffff:127.8.8.8"),
        ] {
            assert_eq!(
                source(address(one)),
                source(address(other)),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("2001:db8:1:2::3", "2001:db8:1:3::3"),
            ("192.0.2.1", "192.0.2.2"),
            ("126.255.255.255", "127.0.0.1"),
            ("::1", "::2"),
        ] {
            assert_ne!(
                source(address(one)),
                source(address(other)),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn subnets_of_one_site_are_one_network() {
        let network = |text| network(source(address(text)));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:ffff::3"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:2:2::3"));
        assert_eq!(network("192.0.2.1"), None);
        assert_eq!(network("::ffff:192.0.2.1"), None);
        assert_eq!(network("::1"), None);
    }
}
