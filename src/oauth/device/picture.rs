//! Addresses as pictures that a phone can read: the verification URI (RFC 8628 section 3.3.1), and what authenticators want.
//!
//! Owns the drawing; it does not know where a page shows it.

use std::fmt::Write as _;

use fast_qr::QRBuilder;

/// White modules around the picture that readers need (ISO/IEC 18004).
const MARGIN: usize = 4;

/// An SVG image of `text`: dark on white, because some readers know no other. `None` if it is too long for a QR code.
pub fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).build().ok()?;
    let side = code.size + 2 * MARGIN;
    let mut path = String::new();
    for row in 0..code.size {
        let modules = &code[row];
        let mut column = 0;
        while column < code.size {
            let length = modules[column..].iter().take_while(|module| module.value()).count();
            if length > 0 {
                let _ = write!(path, "M{},{}h{length}v1h-{length}z", column + MARGIN, row + MARGIN);
            }
            column += length.max(1);
        }
    }
    Some(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0,0h{side}v{side}h-{side}z"/><path d="{path}"/></svg>"##
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_margin_and_every_dark_module() {
        let text = "https://gate.example.com/oauth2/device?user_code=WDJB-MJHT";
        let picture = svg(text).unwrap();
        let code = QRBuilder::new(text).build().unwrap();
        let side = code.size + 8;
        assert!(picture.contains(&format!(r#"viewBox="0 0 {side} {side}""#)), "{picture}");
        let dark = (0..code.size).flat_map(|row| code[row].to_vec()).filter(|module| module.value()).count();
        let (_, path) = picture.rsplit_once(r#"d=""#).unwrap();
        let drawn: usize = path
            .split('h')
            .skip(1)
            .step_by(2)
            .map(|run| run.split('v').next().unwrap())
            .map(|run| run.parse::<usize>().unwrap())
            .sum();
        assert_eq!(drawn, dark);
        // The finder pattern begins in the corner of the margin.
        assert!(path.starts_with("M4,4h7v1h-7z"), "{path}");
        assert_eq!(svg(&"a".repeat(10_000)), None);
    }
}
