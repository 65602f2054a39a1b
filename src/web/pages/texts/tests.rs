//! That every language says everything. What it says is for people to judge.

use super::*;

fn placeholders(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    found.sort_unstable();
    found
}

// UX 18
#[test]
fn every_language_is_complete() {
    let english = ENGLISH.all();
    assert!(english.len() > 80);
    // Words that German has from the same place.
    let same = ["code_label", "user_code_label"];
    for language in Language::ALL {
        for ((name, text), (_, original)) in language.texts().all().into_iter().zip(&english) {
            let place = format!("{} {name}", language.tag());
            assert!(!text.trim().is_empty() && text.trim() == text && !text.contains("  "), "{place}: {text:?}");
            assert_eq!(placeholders(text), placeholders(original), "{place}");
            assert!(!text.contains(['<', '>', '&']), "{place}: texts are no markup");
            let translated = language == Language::English || same.contains(&name) || text != *original;
            assert!(translated, "{place} is in English");
            let is_arabic = text.chars().any(|character| ('\u{600}'..'\u{700}').contains(&character));
            assert_eq!(is_arabic, language == Language::Arabic, "{place}: {text}");
        }
    }
}

// Unicode CLDR plural rules
#[test]
fn lengths_of_time_are_counted_as_each_language_counts() {
    for (language, seconds, expected) in [
        (Language::English, 0, "1 minute"),
        (Language::English, 150, "3 minutes"),
        (Language::English, 3600, "60 minutes"),
        (Language::English, 86_400, "24 hours"),
        (Language::English, 90 * 86_400, "90 days"),
        (Language::German, 60, "1 Minute"),
        (Language::German, 14 * 86_400, "14 Tage"),
        (Language::Arabic, 60, "دقيقة واحدة"),
        (Language::Arabic, 2 * 86_400, "يومان"),
        (Language::Arabic, 3 * 86_400, "3 أيام"),
        (Language::Arabic, 90 * 86_400, "90 يومًا"),
        (Language::Arabic, 100 * 86_400, "100 يوم"),
    ] {
        assert_eq!(length(language.texts(), language, seconds), expected);
    }
    for (language, seconds, expected) in [
        (Language::English, 3 * 86_400, "3 days ago"),
        (Language::German, 3 * 86_400, "vor 3 Tagen"),
        (Language::German, 2 * 3600, "vor 2 Stunden"),
        (Language::Arabic, 2 * 86_400, "قبل يومين"),
    ] {
        assert_eq!(ago(language.texts(), language, seconds), expected);
    }
}
