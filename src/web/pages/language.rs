//! The languages of the pages, and which one a person reads. The texts themselves are in `texts`.

use super::texts::{self, Texts};

/// A language that the pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    English,
    German,
    Arabic,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Arabic];

    /// The first language that is asked for and that we have: `ui_locales` of the request (OpenID Connect Core 3.1.2.1)
    /// before the browser's `Accept-Language` (RFC 9110 12.5.4). English if none is.
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        // FusionAuth writes `locale=de_AT`.
        let asked = ui_locales.unwrap_or_default().split([' ', ',']).find_map(Self::find);
        asked.or_else(|| Self::accepted(accept_language?)).unwrap_or_default()
    }

    /// The name in `ui_locales`, `lang` and `welcome` texts (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Arabic => "ar",
        }
    }

    /// What those who read it call it.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Arabic => "العربية",
        }
    }

    /// The value of `dir`.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::English | Self::German => "ltr",
            Self::Arabic => "rtl",
        }
    }

    pub(super) const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &texts::ENGLISH,
            Self::German => &texts::GERMAN,
            Self::Arabic => &texts::ARABIC,
        }
    }

    /// By its primary subtag (RFC 4647 3.3).
    fn find(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    fn accepted(field: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        // A field that long is nobody's preference.
        for part in field.split(',').take(32) {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters.trim().strip_prefix("q=").and_then(|text| text.trim().parse().ok()).unwrap_or(1.0);
            let Some(language) = Self::find(tag) else { continue };
            if weight > 0.0 && best.is_none_or(|(heaviest, _)| weight > heaviest) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // OpenID Connect Core 3.1.2.1 ui_locales, RFC 9110 12.5.4
    #[test]
    fn the_language_is_the_first_that_is_asked_for_and_known() {
        for (ui_locales, accept_language, expected) in [
            (None, None, Language::English),
            (Some("de"), None, Language::German),
            (Some("fr-CA ar-EG en"), Some("de"), Language::Arabic),
            (Some("de_AT"), None, Language::German),
            (Some("fr"), Some("de"), Language::German),
            (Some(""), Some("AR"), Language::Arabic),
            (None, Some("fr, en;q=0.5, de-CH;q=0.8"), Language::German),
            (None, Some("de;q=0, ar;q=0.1"), Language::Arabic),
            (None, Some("*"), Language::English),
            (None, Some(";;q=,,=;"), Language::English),
            (None, Some("de;q=NaN"), Language::English),
            (Some("denmark"), None, Language::English),
        ] {
            assert_eq!(Language::choose(ui_locales, accept_language), expected, "{ui_locales:?} {accept_language:?}");
        }
    }
}
