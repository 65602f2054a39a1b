//! QR codes as text, readable in dark and in light terminals. It does not know what they say.

use fast_qr::QRBuilder;

/// Modules around the code that readers need (ISO/IEC 18004).
const MARGIN: usize = 4;
/// Black on white of the fixed part of the palette, so that no theme turns the code inside out.
const INK: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

/// Two rows of modules per line. `None` if the text is too long for a QR code.
pub(super) fn text(content: &str) -> Option<String> {
    let code = QRBuilder::new(content).build().ok()?;
    let side = code.size + 2 * MARGIN;
    let is_dark = |row: usize, column: usize| {
        let inside = |place: usize| place.checked_sub(MARGIN).filter(|&place| place < code.size);
        matches!((inside(row), inside(column)), (Some(row), Some(column)) if code[row][column].value())
    };
    let line = |row: usize| {
        let modules = (0..side).map(|column| match (is_dark(row, column), is_dark(row + 1, column)) {
            (false, false) => ' ',
            (true, false) => '▀',
            (false, true) => '▄',
            (true, true) => '█',
        });
        format!("{INK}{}{RESET}\n", modules.collect::<String>())
    };
    Some((0..side).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 20
    #[test]
    fn every_module_is_drawn_in_colours_of_its_own() {
        let content = "https://gate.example.com/oauth2/device?user_code=WDJB-MJHT";
        let code = QRBuilder::new(content).build().unwrap();
        let text = text(content).unwrap();
        let mut drawn = Vec::new();
        for line in text.lines() {
            let modules = line.strip_prefix(INK).and_then(|line| line.strip_suffix(RESET)).unwrap();
            drawn.push(modules.chars().map(|module| matches!(module, '▀' | '█')).collect::<Vec<_>>());
            drawn.push(modules.chars().map(|module| matches!(module, '▄' | '█')).collect::<Vec<_>>());
        }
        for (row, modules) in drawn.iter().enumerate() {
            assert_eq!(modules.len(), code.size + 8);
            for (column, &dark) in modules.iter().enumerate() {
                let inside = (4..code.size + 4).contains(&row) && (4..code.size + 4).contains(&column);
                assert_eq!(dark, inside && code[row - 4][column - 4].value(), "row {row}, column {column}");
            }
        }
        assert!(drawn.len() >= code.size + 8);
        assert!(super::text(&"a".repeat(10_000)).is_none());
    }
}
