//! Names that clients could give themselves in order to say what is not true (K11, UX 19).

use super::*;

const LONG: &str = "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What it calls itself, and what is shown.
const NAMES: [(&str, &str); 24] = [
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("</bdi><h1>Signed in</h1>", "</bdi><h1>Signed in</h1>"),
    ("\" autofocus onfocus=\"alert(1)", "\" autofocus onfocus=\"alert(1)"),
    ("' onload='x", "' onload='x"),
    ("&lt;b&gt; &amp; {client} {{ 7*7 }} {% raw %}", "&lt;b&gt; &amp; {client} {{ 7*7 }} {% raw %}"),
    // Right-to-left override, embedding and isolate, with and without an end.
    ("Bank \u{202e}elgooG", "Bank elgooG"),
    ("\u{202b}Bank\u{202c}", "Bank"),
    ("Bank\u{2067} (verified)", "Bank (verified)"),
    ("\u{2069}\u{2069}\u{200f}Bank\u{200e}\u{61c}", "Bank"),
    // Lines and controls.
    ("Bank\r\n\r\nVerified by Pied Piper", "Bank Verified by Pied Piper"),
    ("Bank\u{2028}Verified\u{2029}\u{b}\u{c}\u{85}now", "Bank Verified now"),
    ("\u{0}\u{7}\u{1b}[31mBank\u{7f}\u{9b}0m", "[31mBank 0m"),
    // Nothing to see.
    ("Pied\u{200b}Pi\u{200d}per\u{feff}\u{ad}\u{2060}", "PiedPiper"),
    ("\u{3164}\u{115f}\u{2800}\u{200b}", ""),
    ("\u{a0}\u{3000}  \t ", ""),
    ("A\u{e0041}\u{e0042}B\u{fe0f}", "AB"),
    ("\u{fffd}\u{fffc}\u{e000}\u{f8ff}\u{10ffff}x", "x"),
    // Out of the line.
    (
        "Z\u{335}\u{321}\u{34a}\u{302}\u{306}\u{351}a\u{300}\u{301}\u{302}\u{303}\u{304}lgo",
        "Z\u{335}\u{321}\u{34a}à\u{301}\u{302}\u{303}lgo",
    ),
    ("\u{301}\u{302}Bank \u{303}x", "Bank x"),
    // Too long, in letters and in spaces.
    (LONG, "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"),
    ("Bank                                                                      Allow", "Bank Allow"),
    // What is honest stays.
    ("Пример بنك 銀行 Ünïcödé", "Пример بنك 銀行 Ünïcödé"),
    ("  Pied Piper™ – 2×  ", "Pied Piper™ – 2×"),
    ("Cafe\u{301}", "Café"),
];

#[test]
fn no_name_can_pose_as_anything_else() {
    let theme = Theme::default();
    for (name, shown) in NAMES {
        assert_eq!(shown::name(name), shown, "{name:?}");
        let (consent, plain) = (Consent::sample(), "X");
        let scopes = |text| [ConsentScope { name: "a", message: Some(text), detail: Some(text), required: true }];
        let pages = |text: &'static str| -> Vec<String> {
            let chrome = Chrome { tenant_name: text, ..chrome(Language::English, &theme) };
            vec![
                Consent { client_name: text, owner: Some(text), redirect_host: text, scopes: &scopes(text), ..consent }
                    .render(&chrome),
                DeviceConfirm { client_name: text, place: Some(text), ..DeviceConfirm::sample() }.render(&chrome),
                SignIn { client_name: text, login_id: text, ..SignIn::sample() }.render(&chrome),
                Leaving { client_name: text, redirect_host: text, ..Leaving::sample() }.render(&chrome),
                NotRegistered { client_name: text }.render(&chrome),
                ErrorPage { description: text, detail: Some(text), request_id: Some(text), ..ErrorPage::sample() }
                    .render(&chrome),
            ]
        };
        for (html, original) in pages(name).iter().zip(pages(plain)) {
            let (tags, expected) = (html.matches('<').count(), original.matches('<').count());
            // What has nothing to show is left out.
            assert!(tags == expected || (shown.is_empty() && tags < expected), "{name:?}: {html}");
            assert!(!shown.is_empty() || html.contains("without a name") || !original.contains("class=\"name\""));
            for character in html.chars() {
                let invisible =
                    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
                assert!(!invisible && (!character.is_control() || character == '\n'), "{name:?}: {character:?}");
            }
        }
        if shown.len() > 1 {
            assert!(
                pages(name)[0].contains(&format!("<bdi class=\"name\">{}</bdi>", shown::escape(shown))),
                "{name:?}"
            );
        }
    }
}
