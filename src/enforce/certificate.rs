//! The certificate that a client showed: to us, or to a proxy that we trust (rule H8).
//!
//! Owns the ways in which proxies write one down. Whom to believe is not its business.

use crate::percent;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The certificate of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate<'a> {
    /// None, or nobody to believe about it.
    #[default]
    None,
    /// SHA-256 of the one on this connection.
    Digest(&'a [u8]),
    /// What a trusted proxy says of its own connection.
    Field(&'a [u8]),
}

/// Some proxies leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Certificate<'_> {
    /// SHA-256 in base64url, as `x5t#S256` has it; `None` without a certificate that can be read.
    pub fn thumbprint(&self) -> Option<String> {
        let digest = match *self {
            Self::None => return None,
            Self::Digest(digest) => return Some(URL_SAFE_NO_PAD.encode(digest)),
            Self::Field(field) => digest::digest(&digest::SHA256, &der(field)?),
        };
        Some(URL_SAFE_NO_PAD.encode(digest))
    }

    /// All of it, in DER, if a proxy tells of it.
    pub fn told(&self) -> Option<Vec<u8>> {
        match *self {
            Self::None | Self::Digest(_) => None,
            Self::Field(field) => der(field),
        }
    }
}

/// The first certificate of a field: base64 of DER, alone (HAProxy, Traefik), between colons (RFC 9440), or as a PEM
/// block whose line ends are escaped or spaces (nginx).
fn der(field: &[u8]) -> Option<Vec<u8>> {
    // `+` stays, for it is a digit.
    let text = percent::decoded(std::str::from_utf8(field).ok()?);
    let text = std::str::from_utf8(&text).ok()?;
    let text = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => rest.split_once("-----END CERTIFICATE-----")?.0,
        None => text.trim().split(',').next()?,
    };
    let text = text.trim();
    let text = text.strip_prefix(':').and_then(|text| text.strip_suffix(':')).unwrap_or(text);
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    BASE64.decode(text).ok().filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD as PADDED;

    // H8, RFC 8705 3.1: however it is written down, it is one certificate
    #[test]
    fn proxies_write_it_in_several_ways() {
        let der: Vec<u8> = (0..=250).collect();
        let expected = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        let text = PADDED.encode(&der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = |end: &str| {
            format!("-----BEGIN CERTIFICATE-----{end}{}{end}-----END CERTIFICATE-----{end}", lines.join(end))
        };
        let escaped = pem("\n").replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        for field in [
            text.clone(),
            text.trim_end_matches('=').to_owned(),
            format!(":{text}:"),
            format!("{text},{}", PADDED.encode(b"its issuer")),
            text.replace('/', "%2F").replace('=', "%3d"),
            pem(" "),
            pem("\t"),
            escaped.replace("%20", " "),
            escaped.replace(' ', "%20"),
            format!("{escaped}{}", escaped.replace("%0A", "%0a")),
        ] {
            assert_eq!(Certificate::Field(field.as_bytes()).thumbprint().as_deref(), Some(&*expected), "{field}");
        }
        for field in ["", "(null)", "::", "%", "%zz", "%ff", "é", "-----BEGIN CERTIFICATE-----AAAA"] {
            assert_eq!(Certificate::Field(field.as_bytes()).thumbprint(), None, "{field}");
        }
        assert_eq!(Certificate::None.thumbprint(), None);
        let digest = digest::digest(&digest::SHA256, &der);
        assert_eq!(Certificate::Digest(digest.as_ref()).thumbprint(), Some(expected));
    }
}
