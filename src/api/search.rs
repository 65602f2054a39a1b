//! Searches: pages of a sorted list, as FusionAuth's clients ask for them.
//!
//! Owns `numberOfResults`, `startRow` and `orderBy`, in the query or in the body. It does not know what is searched.

use std::cmp::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Refusal;
use super::call::Call;
use super::members::Members;
use crate::directory::FieldCode;
use crate::store::{self, SearchOrder};

/// How many results there are unless asked otherwise, and at most.
const USUAL: i64 = 25;
const MOST: i64 = 500;
/// Each is looked up by itself.
const MOST_IDS: usize = 500;

/// What FusionAuth's search engine calls members of users and entities, without what is within them.
const FIELDS: [&str; 24] = [
    "active",
    "birthDate",
    "clientId",
    "data",
    "email",
    "firstName",
    "fullName",
    "id",
    "insertInstant",
    "lastLoginInstant",
    "lastName",
    "lastUpdateInstant",
    "login",
    "memberships",
    "middleName",
    "mobilePhone",
    "name",
    "parentId",
    "registrations",
    "tenantId",
    "timezone",
    "type",
    "username",
    "verified",
];

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
        Self::of_numbers(call, names, &[])
    }

    /// The same, where some filters are numbers.
    ///
    /// # Errors
    /// 400 for a body that is no search.
    pub(super) fn of_numbers(call: &Call, names: &[&str], numbers: &[&str]) -> Result<Self, Refusal> {
        if !call.is_bare() {
            return Ok(Self { document: call.json()? });
        }
        let mut search = serde_json::Map::new();
        for &name in ["numberOfResults", "startRow", "orderBy"].iter().chain(names).chain(numbers) {
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

impl Page {
    /// The page as a question to the store; `order_of` knows the members that the page was read with.
    pub(super) fn asked(
        &self,
        tenant_id: Option<Uuid>,
        text: Option<&str>,
        order_of: fn(&str) -> SearchOrder,
    ) -> store::Search {
        store::Search {
            tenant_id,
            text: text.map(wanted).unwrap_or_default().to_owned(),
            order: self.order.iter().map(|(name, descends)| (order_of(name), *descends)).collect(),
            limit: u32::try_from(self.results).unwrap_or(u32::MAX),
            offset: u32::try_from(self.start).unwrap_or(u32::MAX),
        }
    }
}

/// The ids that a search is for, in the query or in its document; `None` when it is for others too.
pub(super) fn ids(call: &Call, members: &mut Members<'_>) -> Option<Vec<Uuid>> {
    let texts: Vec<String> = call.query("ids").into_iter().chain(members.texts("ids")).collect();
    let mut ids = Vec::new();
    for text in &texts {
        // What is no id is nobody's.
        ids.extend(Uuid::try_parse(text).ok().filter(|id| !ids.contains(id)));
    }
    if texts.len() > MOST_IDS {
        members.refuse("ids", FieldCode::TooLong, format_args!("there may be {MOST_IDS}"));
    }
    (!texts.is_empty()).then_some(ids)
}

/// What FusionAuth's own search engine understands and nobody here does is refused: whoever asks for some would get all.
pub(super) fn refuse_foreign(call: &Call, members: &mut Members<'_>) {
    for name in ["query", "nextResults"] {
        if members.has(name) || !call.query(name).is_empty() {
            members.refuse(name, FieldCode::Invalid, "is not understood here; search with queryString or ids");
        }
    }
}

/// The text of a `queryString`. It is looked for as it is: no field can be named before it.
pub(super) fn query_string(members: &mut Members<'_>) -> Option<String> {
    let text = members.text("queryString")?;
    if let Some((field, _)) = text.split_once(':')
        && FIELDS.contains(&field.trim().split('.').next().unwrap_or_default())
    {
        let message =
            format_args!("{field:?} cannot be named: the text is looked for in all names; leave the field out");
        members.refuse("queryString", FieldCode::Invalid, message);
    }
    Some(text)
}

/// What a text is searched for, without the `*` that FusionAuth's own language wants around it.
pub(super) fn wanted(text: &str) -> &str {
    text.trim().trim_matches('*')
}

/// Whether a text contains what is looked for, without regard to case; `*` and nothing fit everything.
pub(super) fn fits(text: &str, wanted: Option<&str>) -> bool {
    text.to_lowercase().contains(&wanted.map(self::wanted).unwrap_or_default().to_lowercase())
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
