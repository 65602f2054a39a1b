//! A document that is shown again and again.
//!
//! Owns what fits into a window: what is higher would scroll, and flicker every time.

use std::io;

use crate::cli::{Failure, Format, output};

/// Where a document takes the place of the one before, if that can be: elsewhere it follows it.
pub(super) struct Screen {
    redraws: bool,
}

impl Screen {
    pub(super) fn open(redraws: bool) -> Result<Self, Failure> {
        if redraws {
            // Hides the cursor and clears.
            output::print_some("\x1b[?25l\x1b[2J")?;
        }
        Ok(Self { redraws })
    }

    /// Says whether anybody reads on.
    pub(super) fn show(&self, document: &str, format: Format) -> Result<bool, Failure> {
        match (self.redraws, format) {
            // From the upper left corner; what is left of longer lines, and of more of them, is cleared.
            (true, _) => {
                let document = window().map_or_else(|| document.to_owned(), |window| fitted(document, window));
                output::print_some(&format!("\x1b[H{}\x1b[J", document.replace('\n', "\x1b[K\n")))
            }
            (false, Format::Json) => output::print_some(document),
            (false, Format::Text) => output::print_some(&format!("{document}\n")),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.redraws {
            output::announce("\x1b[?25h");
        }
    }
}

/// Rows and columns of a terminal.
type Window = (usize, usize);

/// Of the terminal that standard output is; one that does not say has any size.
fn window() -> Option<Window> {
    #[cfg(target_os = "linux")]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row.into(), size.ws_col.into()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

/// As many lines as fit above the one in which the cursor stands at the end, or one less and how many are missing.
fn fitted(document: &str, (rows, columns): Window) -> String {
    // What is longer than the window is wide goes on below.
    let rows_of = |line: &&str| line.chars().count().div_ceil(columns).max(1);
    let lines: Vec<&str> = document.lines().collect();
    if lines.iter().map(rows_of).sum::<usize>() < rows {
        return document.to_owned();
    }
    let mut used = 0;
    let fits = |line: &&&str| {
        used += rows_of(line);
        used + 2 <= rows
    };
    let shown: Vec<&str> = lines.iter().take_while(fits).copied().collect();
    let more = lines.len() - shown.len();
    let mut text: String = shown.iter().map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("… {more} more lines (make the window higher)\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 12: what is shown again and again never scrolls
    #[test]
    fn what_is_higher_than_the_window_is_cut() {
        let document = "one\ntwo\nthree\nfour\n";
        assert_eq!(fitted(document, (5, 80)), document);
        assert_eq!(fitted(document, (4, 80)), "one\ntwo\n… 2 more lines (make the window higher)\n");
        assert_eq!(fitted(document, (1, 80)), "… 4 more lines (make the window higher)\n");
        // "three" takes two rows of four columns.
        assert_eq!(fitted(document, (6, 4)), document);
        assert_eq!(fitted(document, (5, 4)), "one\ntwo\n… 2 more lines (make the window higher)\n");
    }
}
