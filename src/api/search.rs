//! Searches: pages of a sorted list, as FusionAuth's clients ask for them.
//!
//! Owns `numberOfResults`, `startRow` and `orderBy`, in the query or in the body. It does not know what is searched.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::answer::Refusal;
use super::call::Call;
use super::members::Members;
use crate::directory::FieldCode;

/// How many results there are unless asked otherwise, and at most.
const USUAL: i64 = 25;
const MOST: i64 = 500;

/// What a search asks for beside its filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub results: usize,
    pub start: usize,
    /// `name ASC, insertInstant DESC`
    pub order: Vec<(String, bool)>,
}

/// A search as it was sent: the query of a GET, the `search` object of a POST.
pub(super) struct Search {
    document: Value,
}

impl Search {
    /// # Errors
    /// 400 for a body that is no search.
    pub(super) fn of(call: &Call, names: &[&str]) -> Result<Self, Refusal> {
        if !call.is_bare() {
            return Ok(Self { document: call.json()? });
        }
        let mut search = serde_json::Map::new();
        for &name in ["numberOfResults", "startRow", "orderBy"].iter().chain(names) {
            let Some(text) = call.query(name).into_iter().next() else { continue };
            let value = match text.parse::<i64>() {
                Ok(number) if name != "orderBy" && !names.contains(&name) => Value::from(number),
                Ok(_) | Err(_) => Value::from(text),
            };
            search.insert(name.to_owned(), value);
        }
        Ok(Self { document: json!({ "search": search }) })
    }

    pub(super) fn members(&self) -> Members<'_> {
        Members::of(&self.document, "search")
    }
}

/// Reads the page of a search; wrong members are noted in `members`.
pub(super) fn page(members: &mut Members<'_>, sortable: &[&str]) -> Page {
    let mut number = |name: &str, usual: i64, range: std::ops::RangeInclusive<i64>| {
        let number = members.integer(name).unwrap_or(usual);
        if !range.contains(&number) {
            members.refuse(
                name,
                FieldCode::Invalid,
                format_args!("is not between {} and {}", range.start(), range.end()),
            );
        }
        usize::try_from(number).unwrap_or_default()
    };
    let (results, start) = (number("numberOfResults", USUAL, 0..=MOST), number("startRow", 0, 0..=i64::from(u32::MAX)));
    let mut order = Vec::new();
    for term in members.text("orderBy").unwrap_or_default().split(',').map(str::trim).filter(|term| !term.is_empty()) {
        let mut words = term.split_whitespace();
        let (name, direction) = (words.next().unwrap_or_default(), words.next().unwrap_or("ASC"));
        let descends = direction.eq_ignore_ascii_case("DESC");
        let is_known = sortable.contains(&name) && (descends || direction.eq_ignore_ascii_case("ASC"));
        if !is_known || words.next().is_some() {
            let message = format!("{term:?} is not one of {}, with ASC or DESC", sortable.join(", "));
            members.refuse("orderBy", FieldCode::Invalid, message);
        }
        order.push((name.to_owned(), descends));
    }
    Page { results, start, order }
}

impl Page {
    /// The page of what matched, and how many matched in all. `compare` orders two by the member of a name.
    pub(super) fn cut<T>(&self, mut found: Vec<T>, compare: impl Fn(&str, &T, &T) -> Ordering) -> (Vec<T>, usize) {
        found.sort_by(|a, b| {
            let decisive = self.order.iter().map(|(name, descends)| {
                let order = compare(name, a, b);
                if *descends { order.reverse() } else { order }
            });
            decisive.fold(Ordering::Equal, Ordering::then)
        });
        let total = found.len();
        (found.into_iter().skip(self.start).take(self.results).collect(), total)
    }
}

/// Whether a text contains what is looked for, without regard to case; `*` and nothing fit everything.
pub(super) fn fits(text: &str, wanted: Option<&str>) -> bool {
    let wanted = wanted.map(|wanted| wanted.trim().trim_matches('*').to_lowercase()).unwrap_or_default();
    text.to_lowercase().contains(&wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_from_the_sorted_list() {
        let document = json!({ "search": { "numberOfResults": 2, "startRow": 1, "orderBy": "name DESC" } });
        let mut members = Members::of(&document, "search");
        let page = page(&mut members, &["name"]);
        members.finish().unwrap();
        let (cut, total) = page.cut(vec!["b", "d", "a", "c"], |_, a, b| a.cmp(b));
        assert_eq!((cut, total), (vec!["c", "b"], 4));
    }

    #[test]
    fn what_cannot_be_searched_for_is_named() {
        for search in [
            json!({ "numberOfResults": -1 }),
            json!({ "numberOfResults": 501 }),
            json!({ "startRow": "0" }),
            json!({ "orderBy": "secret" }),
            json!({ "orderBy": "name sideways" }),
            json!({ "orderBy": "name ASC twice" }),
        ] {
            let document = json!({ "search": search });
            let mut members = Members::of(&document, "search");
            page(&mut members, &["name"]);
            assert!(members.finish().is_err(), "{document}");
        }
    }

    #[test]
    fn texts_fit_by_parts_of_any_case() {
        assert!(
            fits("Orders API", Some("orders")) && fits("x", None) && fits("x", Some("*")) && fits("abc", Some("*B*"))
        );
        assert!(!fits("Orders", Some("invoices")));
    }
}
