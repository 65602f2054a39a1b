//! How codes and refresh tokens are written, and how many random bytes are in them (B9). It does not know what they are for.

use crate::entropy::Entropy;
use crate::profile::SecretShape;

/// A new secret; `bytes` where the shape does not say how many.
pub(super) fn draw(shape: SecretShape, entropy: &Entropy, bytes: usize) -> String {
    let mut drawn = vec![0; size(shape, bytes)];
    entropy.fill(&mut drawn);
    write(shape, &drawn, bytes)
}

/// The secret that these bytes are; those that the shape has no room for are left out.
pub(super) fn write(shape: SecretShape, random: &[u8], bytes: usize) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let random = &random[..random.len().min(size(shape, bytes))];
    let lengths: &[usize] = match shape {
        SecretShape::Opaque => return URL_SAFE_NO_PAD.encode(random),
        SecretShape::Guid => &[8, 4, 4, 4, 12],
        SecretShape::Dashed => &[20, 48, 10],
    };
    let mut digits =
        random.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16));
    let groups: Vec<String> = lengths.iter().map(|length| digits.by_ref().take(*length).collect()).collect();
    groups.join("-")
}

fn size(shape: SecretShape, bytes: usize) -> usize {
    match shape {
        SecretShape::Opaque => bytes,
        SecretShape::Guid => 16,
        SecretShape::Dashed => 39,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // B9, F-271, F-277, F-309
    #[test]
    fn every_shape_holds_at_least_128_random_bits() {
        let random: Vec<u8> = (0..64).collect();
        let guid = write(SecretShape::Guid, &random, 40);
        assert_eq!(guid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
        let dashed = write(SecretShape::Dashed, &random, 40);
        let expected = "00010203040506070809-0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021-2223242526";
        assert_eq!(dashed, expected);
        assert_eq!(write(SecretShape::Opaque, &random, 40).len(), 54);
        // Version and variant of a UUID are not bits of chance here.
        let entropy = Entropy::seeded(1);
        let versions: std::collections::BTreeSet<char> =
            (0..200).map(|_| draw(SecretShape::Guid, &entropy, 32).chars().nth(14).unwrap()).collect();
        assert_eq!(versions.len(), 16);
    }
}
