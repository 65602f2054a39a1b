//! What browsers call themselves, in two words that their owners recognise (UX 23). It is a guess, and nothing depends on it.

use super::shown;

/// In this order: most of them say that they are several of the others as well.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox, Linux`; the first word of what is neither, and `None` where nothing is said.
pub(super) fn browser_name(user_agent: &str) -> Option<String> {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser}, {system}")),
        (Some(one), None) => Some(one.to_owned()),
        (None, _) => {
            let word = user_agent.split(['/', ' ']).next().unwrap_or_default();
            Some(shown::name(word)).filter(|word| !word.is_empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 23
    #[test]
    fn people_recognise_their_browser() {
        let engine = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (user_agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {engine} Chrome/140.0.0.0 Safari/537.36"),
                "Chrome, Windows",
            ),
            (
                &format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {engine} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
                ),
                "Edge, Windows",
            ),
            (
                &format!("Mozilla/5.0 (Linux; Android 10; K) {engine} Chrome/140.0.0.0 Mobile Safari/537.36"),
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
                 Safari/605.1.15",
                "Safari, macOS",
            ),
            ("curl/8.14.1", "curl"),
            ("Firefox/1", "Firefox"),
            ("<script>", "<script>"),
        ] {
            assert_eq!(browser_name(user_agent).as_deref(), Some(expected), "{user_agent}");
        }
        assert_eq!(browser_name(""), None);
        assert_eq!(browser_name("\u{202e}"), None);
    }
}
