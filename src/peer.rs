//! Which addresses belong to one peer: whoever counts by peers counts these together.
//!
//! Owns how an address is folded; ranges that an operator writes are `config`'s.

use std::net::{IpAddr, Ipv6Addr};

/// What stands for all addresses of a peer. An IPv6 host owns a /64, so its other addresses are no other peer; an IPv4 address that
/// is mapped into IPv6 is the same as by itself.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // N7, L8
    #[test]
    fn addresses_of_one_host_are_one_peer() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
