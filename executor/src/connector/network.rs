//! Which addresses may be dialled: public ones, and the private networks that a
//! connection names. Metadata services of clouds are never dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// A network in CIDR notation, such as `10.0.0.0/8`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write an address and a prefix length, such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl Network {
    /// Whether the address lies in this network. An IPv4 address inside IPv6 counts
    /// as the IPv4 address that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (width, base) = number(self.base);
        let (other, address) = number(plain(address));
        let host_bits = width.saturating_sub(u32::from(self.bits));
        width == other && shifted(base, host_bits) == shifted(address, host_bits)
    }

    /// Prefix length.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let base = plain(address.parse().map_err(|_| wrong())?);
        let (width, _) = number(base);
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse().ok().filter(|b| *b <= width).ok_or_else(wrong)?,
        };
        Ok(Self { base, bits: u8::try_from(bits).map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Why an address may not be dialled; `None`: it may.
#[must_use]
pub fn barred(address: IpAddr, private: &[Network]) -> Option<&'static str> {
    let address = plain(address);
    if METADATA.contains(&address) {
        return Some("a cloud's metadata service, which is never dialled");
    }
    let public = match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    };
    if public || private.iter().any(|network| network.contains(address)) {
        return None;
    }
    Some("not a public address and not in `private_networks`")
}

/// Addresses under which clouds serve credentials to whoever asks.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// IPv4 networks that the public internet does not route to one machine.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let address = u32::from(address);
    !SPECIAL_V4.iter().any(|(base, bits)| {
        let host_bits = 32 - bits;
        u32::from_be_bytes(*base) >> host_bits == address >> host_bits
    })
}

/// Only global unicast, without the parts that tunnel, document or test.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocol_assignments = first == 0x2001 && second < 0x0200;
    let documentation = (first == 0x2001 && second == 0x0db8) || first & 0xfff0 == 0x3ff0;
    let six_to_four = first == 0x2002;
    global && !protocol_assignments && !documentation && !six_to_four
}

/// The IPv4 address inside `::ffff:a.b.c.d`, or the address itself. Other
/// embeddings (NAT64, 6to4) are not public and so need naming as IPv6.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn number(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(v4) => (32, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (128, u128::from(v6)),
    }
}

fn shifted(number: u128, by: u32) -> u128 {
    number.checked_shr(by).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_public_addresses_pass_by_default() {
        for (address, allowed) in [
            ("93.184.216.34", true),
            ("2606:2800:220:1::1", true),
            ("2001:4860:4860::8888", true),
            ("127.0.0.1", false),
            ("127.255.0.1", false),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("172.15.0.1", true),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("192.168.0.1", false),
            ("169.254.1.1", false),
            ("198.19.255.255", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:93.184.216.34", true),
            ("::127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:0:7f00:1::", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("ff02::1", false),
        ] {
            let verdict = barred(address.parse().unwrap(), &[]);
            assert_eq!(verdict.is_none(), allowed, "{address}: {verdict:?}");
        }
    }

    #[test]
    fn a_named_network_opens_only_itself() {
        let named = ["127.0.0.0/8".parse().unwrap(), "fd12::/16".parse().unwrap()];
        assert_eq!(barred("127.0.0.1".parse().unwrap(), &named), None);
        assert_eq!(barred("::ffff:127.9.9.9".parse().unwrap(), &named), None);
        assert_eq!(barred("fd12::7".parse().unwrap(), &named), None);
        assert!(barred("10.0.0.1".parse().unwrap(), &named).is_some());
        assert!(barred("fd13::7".parse().unwrap(), &named).is_some());
        assert!(barred("::1".parse().unwrap(), &named).is_some());
    }

    #[test]
    fn metadata_is_never_dialled() {
        let all = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        for address in
            ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "::ffff:169.254.169.254"]
        {
            assert!(barred(address.parse().unwrap(), &all).is_some(), "{address}");
        }
        assert_eq!(barred("10.0.0.1".parse().unwrap(), &all), None);
    }

    #[test]
    fn networks_are_read_strictly() {
        for wrong in
            ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "host"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert_eq!("10.1.2.3".parse::<Network>().unwrap().to_string(), "10.1.2.3/32");
        assert_eq!("::/0".parse::<Network>().unwrap().bits(), 0);
    }
}
