//! Names in clients' certificates (RFC 8705 2.1.2): what a certificate says of whom it is for, compared with what a client
//! registered.
//!
//! Owns how names are read and compared. Who signed a certificate, and whether that counts, is decided elsewhere.

use std::net::IpAddr;

use openssl::asn1::Asn1Object;
use openssl::nid::Nid;
use openssl::x509::{GeneralNameRef, X509, X509NameRef};

/// What a certificate has to say about whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateName<'a> {
    /// The whole subject, as RFC 4514 writes it: `CN=reports,O=Example`.
    SubjectDn(&'a str),
    /// A name among the alternative ones, as are those that follow.
    SanDns(&'a str),
    SanUri(&'a str),
    /// As text, IPv4 or IPv6.
    SanIp(&'a str),
    SanEmail(&'a str),
}

impl CertificateName<'_> {
    /// # Errors
    /// Why no certificate can say it.
    pub fn check(self) -> Result<(), &'static str> {
        match self {
            Self::SubjectDn(text) => match attributes(text) {
                Some(_) => Ok(()),
                None => Err("must be a distinguished name as in RFC 4514, such as CN=reports,O=Example"),
            },
            Self::SanIp(text) => match text.parse::<IpAddr>() {
                Ok(_) => Ok(()),
                Err(_) => Err("must be an IPv4 or IPv6 address"),
            },
            Self::SanDns("") | Self::SanUri("") | Self::SanEmail("") => Err("must not be empty"),
            Self::SanDns(text) if text.contains('*') => Err("must be one name in full"),
            Self::SanDns(_) | Self::SanUri(_) | Self::SanEmail(_) => Ok(()),
        }
    }

    /// Whether the certificate, in DER, says it. What cannot be read says nothing.
    pub fn is_in(self, der: &[u8]) -> bool {
        let Ok(certificate) = X509::from_der(der) else { return false };
        let any = |is_it: &dyn Fn(&GeneralNameRef) -> Option<bool>| {
            let names = certificate.subject_alt_names();
            names.is_some_and(|names| names.iter().any(|name| is_it(name) == Some(true)))
        };
        match self {
            Self::SubjectDn(text) => {
                attributes(text).is_some_and(|own| subject(certificate.subject_name()).as_ref() == Some(&own))
            }
            Self::SanDns(own) => any(&|name| Some(name.dnsname()?.eq_ignore_ascii_case(own))),
            Self::SanUri(own) => any(&|name| Some(name.uri()? == own)),
            Self::SanEmail(own) => any(&|name| Some(name.email()? == own)),
            Self::SanIp(own) => match own.parse() {
                Ok(IpAddr::V4(own)) => any(&|name| Some(name.ipaddress()? == own.octets())),
                Ok(IpAddr::V6(own)) => any(&|name| Some(name.ipaddress()? == own.octets())),
                Err(_) => false,
            },
        }
    }
}

/// An attribute of a distinguished name: its type, by OpenSSL's number, and its value.
type Attribute = (i32, String);

/// The subject of a certificate, the most special attribute last. Attributes of one part are told one after the other.
/// `None` for what is not text.
fn subject(name: &X509NameRef) -> Option<Vec<Attribute>> {
    let attribute = |entry: &openssl::x509::X509NameEntryRef| {
        let value = entry.data().to_string().ok()?;
        Some((entry.object().nid().as_raw(), value))
    };
    name.entries().map(attribute).collect()
}

/// A distinguished name in RFC 4514's form, which begins with the most special attribute. `None` for anything else, for
/// attribute types that nobody knows, and for values in hexadecimal digits.
fn attributes(text: &str) -> Option<Vec<Attribute>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let (kind, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start_matches(' '))?;
        found.push((known_type(kind.trim())?, value));
        if after.is_empty() {
            break;
        }
        rest = &after[1..];
    }
    found.reverse();
    Some(found)
}

/// A value without its escapes, and what follows it, from the separator on.
fn value(text: &str) -> Option<(String, &str)> {
    if text.starts_with('#') {
        return None;
    }
    let (mut bytes, mut kept) = (Vec::new(), 0);
    let all = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = all.get(at) {
        match byte {
            b',' | b'+' => break,
            b'\\' => {
                let escaped = *all.get(at + 1)?;
                let pair = all.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
                match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    Some(byte) if escaped.is_ascii_hexdigit() => {
                        bytes.push(byte);
                        at += 3;
                    }
                    Some(_) | None => {
                        if !b" \"#+,;<=>\\".contains(&escaped) {
                            return None;
                        }
                        bytes.push(escaped);
                        at += 2;
                    }
                }
                kept = bytes.len();
            }
            b'"' | b';' | b'<' | b'>' | 0 => return None,
            byte => {
                bytes.push(byte);
                at += 1;
                if byte != b' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    // Spaces at the end count if they are escaped.
    bytes.truncate(kept);
    let value = String::from_utf8(bytes).ok().filter(|value| !value.is_empty())?;
    let after = &text[at..];
    // A separator separates something.
    (after.len() != 1).then_some((value, after))
}

/// By name, in any case, or as an object identifier.
fn known_type(kind: &str) -> Option<i32> {
    let found = [kind.to_owned(), kind.to_ascii_uppercase(), kind.to_ascii_lowercase()].into_iter().find_map(|kind| {
        let nid = Asn1Object::from_str(&kind).ok()?.nid();
        (nid != Nid::UNDEF).then_some(nid)
    });
    found.map(|nid| nid.as_raw())
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::CertificateName::{SanDns, SanEmail, SanIp, SanUri, SubjectDn};

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Example, \"Ltd\""),
            (DnType::CommonName, " reports é "),
        ] {
            params.distinguished_name.push(kind, value);
        }
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName(text("Reports.example.com")),
            SanType::URI(text("spiffe://example/reports")),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name(text("reports@example.com")),
        ];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    // RFC 8705 2.1.2, RFC 4514 2.3, 2.4, 3
    #[test]
    fn a_certificate_is_known_by_one_of_its_names() {
        let der = certificate();
        let rows = [
            (SubjectDn(r#"CN=\ reports é\ ,O=Example\, \"Ltd\",C=DE"#), true),
            (SubjectDn(r#"cn = \20reports \c3\a9\20 , o=Example\2C \22Ltd\22 ,c=DE"#), true),
            (SubjectDn(r#"2.5.4.3=\ reports é\ ,2.5.4.10=Example\, \"Ltd\",2.5.4.6=DE"#), true),
            (SubjectDn(r#"C=DE,O=Example\, \"Ltd\",CN=\ reports é\ "#), false),
            (SubjectDn(r#"CN=\ reports é\ ,O=Example\, \"Ltd\""#), false),
            (SubjectDn(r#"CN=\ reports é\ ,O=Example\, \"Ltd\",C=DE,C=DE"#), false),
            (SubjectDn(r#"CN=\ Reports é\ ,O=Example\, \"Ltd\",C=DE"#), false),
            (SubjectDn(r#"OU=\ reports é\ ,O=Example\, \"Ltd\",C=DE"#), false),
            (SanDns("reports.EXAMPLE.com"), true),
            (SanDns("example.com"), false),
            (SanDns("reports@example.com"), false),
            (SanUri("spiffe://example/reports"), true),
            (SanUri("spiffe://example/Reports"), false),
            (SanIp("192.0.2.1"), true),
            (SanIp("2001:0db8:0::1"), true),
            (SanIp("::ffff:192.0.2.1"), false),
            (SanIp("192.0.2.2"), false),
            (SanEmail("reports@example.com"), true),
            (SanEmail("Reports@example.com"), false),
        ];
        for (name, expected) in rows {
            assert_eq!(name.is_in(&der), expected, "{name:?}");
            assert_eq!(name.check(), Ok(()), "{name:?}");
            assert!(!name.is_in(b"nonsense") && !name.is_in(&der[1..]));
        }
    }

    #[test]
    fn what_no_certificate_says_cannot_be_registered() {
        for name in [
            SubjectDn(""),
            SubjectDn("reports"),
            SubjectDn("CN="),
            SubjectDn("CN=reports,"),
            SubjectDn("CN=reports,O"),
            SubjectDn("XX=reports"),
            SubjectDn("CN=#0403616263"),
            SubjectDn("CN=\"reports\""),
            SubjectDn("CN=re;ports"),
            SubjectDn("CN=reports\\"),
            SubjectDn("CN=\\reports"),
            SubjectDn("CN=\\ff"),
            SanDns(""),
            SanDns("*.example.com"),
            SanUri(""),
            SanIp("localhost"),
            SanEmail(""),
        ] {
            assert!(name.check().is_err(), "{name:?}");
        }
    }
}
