//! Ranges of addresses in CIDR notation.
//!
//! Owns containment; how a range is written is in `scalar`.

use std::net::IpAddr;

/// A range of addresses in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `None` if the prefix is longer than the address, or if bits after the prefix are set.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let network = Self { address, prefix };
        let (bits, width) = bits(address);
        (prefix <= width && bits & !network.mask(width) == 0).then_some(network)
    }

    /// Whether every address of its kind is in it.
    pub fn is_everybody(&self) -> bool {
        self.prefix == 0
    }

    /// IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let (own, width) = bits(self.address);
        let (other, other_width) = bits(address);
        width == other_width && own == other & self.mask(width)
    }

    fn mask(&self, width: u8) -> u128 {
        let host_bits = u32::from(width.saturating_sub(self.prefix));
        u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}
