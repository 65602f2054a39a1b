//! From when and until when a certificate is good.
//!
//! Owns reading it out of PEM files. Nobody is refused for it here.

use std::path::Path;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// When all certificates of a chain are good, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins_at: i64,
    pub ends_at: i64,
}

/// When the chain in a PEM file is good; `None` if there is no certificate in it.
///
/// # Errors
/// When the file cannot be read or is no PEM.
pub fn certificate_validity(path: &Path) -> std::io::Result<Option<Validity>> {
    let pem = std::fs::read(path)?;
    validity_of(&pem).map_err(std::io::Error::other)
}

fn validity_of(pem: &[u8]) -> Result<Option<Validity>, ErrorStack> {
    let epoch = Asn1Time::from_unix(0)?;
    let at = |time: &Asn1TimeRef| {
        let since = epoch.diff(time)?;
        Ok::<_, ErrorStack>(i64::from(since.days) * DAY + i64::from(since.secs))
    };
    let mut all: Option<Validity> = None;
    for certificate in X509::stack_from_pem(pem)? {
        let own = Validity { begins_at: at(certificate.not_before())?, ends_at: at(certificate.not_after())? };
        all = Some(all.map_or(own, |all| Validity {
            begins_at: all.begins_at.max(own.begins_at),
            ends_at: all.ends_at.min(own.ends_at),
        }));
    }
    Ok(all)
}
