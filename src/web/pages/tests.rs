//! What is true of every page. The browser tests look at the same pages with a browser.

use super::*;

fn chrome(language: Language, theme: &Theme) -> Chrome<'_> {
    Chrome { language, theme, tenant_name: "Pied Piper", here: Some("/oauth2/authorize?client_id=1"), is_https: true }
}

// UX 17, UX 18, A17
#[test]
fn every_page_is_a_whole_document_in_every_language() {
    let theme = Theme::default();
    for (name, page) in samples() {
        for language in Language::ALL {
            let html = page.render(&chrome(language, &theme));
            let place = format!("{name} {}", language.tag());
            assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"), "{place}: {html}");
            assert!(html.contains(&format!(r#"<html lang="{}" dir="{}">"#, language.tag(), language.direction())));
            for once in ["<h1>", "<main", "<title>", r#"rel="stylesheet""#] {
                assert_eq!(html.matches(once).count(), 1, "{place}: {once}");
            }
            assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains(" on"), "{place}");
            assert!(!html.contains("{client}") && !html.contains("{min}") && !html.contains("{%"), "{place}: {html}");
        }
    }
}
