//! Until when a certificate is good.
//!
//! Owns reading it out of PEM files. Nobody is refused for it here.

use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::x509::X509;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// When the first certificate of the chain in a PEM file ends, in Unix seconds; `None` if there is none in it.
///
/// # Errors
/// When the file cannot be read or is no PEM.
pub fn certificate_ends_at(path: &Path) -> std::io::Result<Option<i64>> {
    let pem = std::fs::read(path)?;
    chain_ends_at(&pem).map_err(std::io::Error::other)
}

fn chain_ends_at(pem: &[u8]) -> Result<Option<i64>, ErrorStack> {
    let epoch = Asn1Time::from_unix(0)?;
    let mut first: Option<i64> = None;
    for certificate in X509::stack_from_pem(pem)? {
        let since = epoch.diff(certificate.not_after())?;
        let ends_at = i64::from(since.days) * DAY + i64::from(since.secs);
        first = Some(first.map_or(ends_at, |first| first.min(ends_at)));
    }
    Ok(first)
}
