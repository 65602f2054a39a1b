//! The texts of many objects, one behind the other in memory, to be searched in a few milliseconds.
//!
//! Owns which objects contain a text, in which order, and how many there are. It does not know where they come from. The
//! order of all objects by each key is kept in `orders`, so that a late page costs no more than the first one.

mod orders;

use std::cmp::Ordering;

use ahash::AHashMap;
use memchr::memmem::Finder;
use uuid::Uuid;

use orders::Orders;

/// Texts that an object is found by.
pub(in crate::store::sql) const KEYS: usize = 3;

/// Ends every text, so that nothing is found across two of them. No text can contain it on PostgreSQL.
const END: char = '\0';

/// Texts of former versions that are kept at least, before the rest moves together.
const FEW: usize = 1_000;

/// When fewer than one of so many objects are found, they are sorted by themselves.
const FEW_OF: usize = 16;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub created_at: i64,
    /// In lower case.
    pub keys: [String; KEYS],
}

/// By what results are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sql) enum Key {
    /// The text at this place.
    Text(usize),
    CreatedAt,
    Id,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub tenant_id: Option<Uuid>,
    /// In lower case. Empty: every object.
    pub text: &'a str,
    /// Most decisive first; `true` descends. Ties are ordered by id.
    pub order: &'a [(Key, bool)],
    pub limit: usize,
    pub offset: usize,
}

/// Objects by their texts.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The texts of all objects, in their order.
    text: String,
    objects: Vec<Object>,
    /// Where in `objects` those are that count.
    places: AHashMap<Uuid, usize>,
    tenants: Vec<Uuid>,
    orders: Orders,
}

#[derive(Debug)]
struct Object {
    id: Uuid,
    created_at: i64,
    start: usize,
    /// Where each text ends, relative to `start`, without its [`END`].
    ends: [u32; KEYS],
    /// Where its tenant is in `tenants`.
    tenant: u32,
    is_gone: bool,
}

/// Where an object is in `objects`.
type Place = u32;

impl Index {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds the object, or replaces what was known of it.
    pub(super) fn put(&mut self, entry: &Entry) {
        if let Some(known) = self.places.get(&entry.id).and_then(|place| self.objects.get(*place)) {
            let is_same = self.tenants.get(known.tenant as usize) == Some(&entry.tenant_id)
                && known.created_at == entry.created_at
                && (0..KEYS).all(|at| self.text_of(known, at) == entry.keys[at]);
            if is_same {
                return;
            }
            self.remove(entry.id);
        }
        let tenant = self.tenants.iter().position(|id| *id == entry.tenant_id).unwrap_or_else(|| {
            self.tenants.push(entry.tenant_id);
            self.tenants.len() - 1
        });
        let start = self.text.len();
        let mut ends = [0; KEYS];
        for (end, key) in ends.iter_mut().zip(&entry.keys) {
            self.text.push_str(key);
            *end = u32::try_from(self.text.len() - start).unwrap_or(u32::MAX);
            self.text.push(END);
        }
        self.places.insert(entry.id, self.objects.len());
        self.objects.push(Object {
            id: entry.id,
            created_at: entry.created_at,
            start,
            ends,
            tenant: u32::try_from(tenant).unwrap_or(u32::MAX),
            is_gone: false,
        });
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        if let Some(object) = self.places.remove(&id).and_then(|place| self.objects.get_mut(place)) {
            object.is_gone = true;
        }
        if self.objects.len() > 2 * self.places.len() + FEW {
            self.move_together();
        }
    }

    /// Takes what was added since the last time into the orders. Until then an answer takes longer.
    pub(super) fn settle(&mut self) {
        let mut orders = std::mem::take(&mut self.orders);
        orders.take_in(self);
        self.orders = orders;
    }

    fn move_together(&mut self) {
        let mut old = std::mem::take(self);
        let mut moved = vec![None; old.objects.len()];
        for (place, object) in old.objects.iter().enumerate().filter(|(_, object)| !object.is_gone) {
            moved[place] = Place::try_from(self.objects.len()).ok();
            self.put(&Entry {
                id: object.id,
                tenant_id: old.tenants.get(object.tenant as usize).copied().unwrap_or_default(),
                created_at: object.created_at,
                keys: std::array::from_fn(|at| old.text_of(object, at).to_owned()),
            });
        }
        old.orders.move_places(&moved);
        self.orders = old.orders;
    }

    fn text_of(&self, object: &Object, at: usize) -> &str {
        let start = if at == 0 { 0 } else { object.ends[at - 1] as usize + END.len_utf8() };
        self.text.get(object.start + start..object.start + object.ends[at] as usize).unwrap_or_default()
    }

    /// The ids of the page in its order, and how many objects there are in all.
    pub(super) fn answer(&self, question: &Question<'_>) -> (Vec<Uuid>, usize) {
        let tenant = match question.tenant_id.map(|wanted| self.tenants.iter().position(|id| *id == wanted)) {
            None => None,
            Some(Some(place)) => Some(place),
            Some(None) => return (Vec::new(), 0),
        };
        let counts = |object: &Object| !object.is_gone && tenant.is_none_or(|tenant| object.tenant as usize == tenant);
        let mut found: Vec<Place> = match question.text {
            "" => (0..).zip(&self.objects).filter(|(_, object)| counts(object)).map(|(place, _)| place).collect(),
            text => self.containing(text).filter(|(_, object)| counts(object)).map(|(place, _)| place).collect(),
        };
        let total = found.len();
        let (start, end) = (question.offset.min(total), question.offset.saturating_add(question.limit).min(total));
        let page = match self.orders.of(question.first_key(), self) {
            Some(order) if total >= self.objects.len() / FEW_OF => {
                found = self.in_order(order, &found, question.descends_first());
                self.page_of_ordered(&found, question, (start, end))
            }
            Some(_) | None => self.page_of_any(&mut found, question, (start, end)),
        };
        (page.iter().filter_map(|place| self.object(*place)).map(|object| object.id).collect(), total)
    }

    /// The same places as `order` has them, or from its end.
    fn in_order(&self, order: &[Place], found: &[Place], descends: bool) -> Vec<Place> {
        let mut is_found = vec![false; self.objects.len()];
        for place in found {
            is_found[*place as usize] = true;
        }
        let fits = |place: &&Place| is_found.get(**place as usize).copied().unwrap_or(false);
        match descends {
            true => order.iter().rev().filter(fits).copied().collect(),
            false => order.iter().filter(fits).copied().collect(),
        }
    }

    /// A page of places that are ordered by the first key. Nothing but those that are equal to some of the page is compared.
    fn page_of_ordered(&self, found: &[Place], question: &Question<'_>, (start, end): (usize, usize)) -> Vec<Place> {
        let is_right_already = question.order.len() <= 1 && !question.descends_first();
        let (Some(first), Some(last)) = (found.get(start), end.checked_sub(1).and_then(|last| found.get(last))) else {
            return Vec::new();
        };
        if is_right_already || start >= end {
            return found[start..end.max(start)].to_vec();
        }
        let decisive = &question.order[..1];
        let order = |a: &Place, b: &Place| self.compare_by(*a, *b, decisive);
        let from = found.partition_point(|place| order(place, first).is_lt());
        let until = found.partition_point(|place| order(place, last).is_le());
        let mut group = found[from..until].to_vec();
        if question.order.len() == 1 {
            // Backwards they are in the order of the key, and those that are equal have to be turned round.
            group.sort_by(|a, b| self.compare(*a, *b, decisive));
            return group[start - from..end - from].to_vec();
        }
        self.page_of_any(&mut group, question, (start - from, end - from))
    }

    /// A page of places in no order. No more is sorted than the page.
    fn page_of_any(&self, found: &mut [Place], question: &Question<'_>, (start, end): (usize, usize)) -> Vec<Place> {
        let order = |a: &Place, b: &Place| self.compare(*a, *b, question.order);
        if start > 0 && start < found.len() {
            found.select_nth_unstable_by(start, order);
        }
        let rest = &mut found[start..];
        let length = end - start;
        if length < rest.len() {
            rest.select_nth_unstable_by(length, order);
        }
        let page = &mut rest[..length];
        page.sort_unstable_by(order);
        page.to_vec()
    }

    /// The objects with the text in one of their texts.
    fn containing<'i>(&'i self, text: &'i str) -> impl Iterator<Item = (Place, &'i Object)> {
        let finder = Finder::new(text);
        let (mut at, mut next) = (0, 0);
        std::iter::from_fn(move || {
            // Our own separator is in no text.
            let hit = at + finder.find(self.text.as_bytes().get(at..)?).filter(|_| !text.contains(END))?;
            while self.objects.get(next)?.end() <= hit {
                next += 1;
            }
            let (place, object) = (Place::try_from(next).ok()?, self.objects.get(next)?);
            at = object.end();
            next += 1;
            Some((place, object))
        })
    }

    fn object(&self, place: Place) -> Option<&Object> {
        self.objects.get(place as usize)
    }

    /// Ties are ordered by id.
    fn compare(&self, a: Place, b: Place, order: &[(Key, bool)]) -> Ordering {
        let id = |place| self.object(place).map(|object| object.id);
        self.compare_by(a, b, order).then_with(|| id(a).cmp(&id(b)))
    }

    fn compare_by(&self, a: Place, b: Place, order: &[(Key, bool)]) -> Ordering {
        let (Some(a), Some(b)) = (self.object(a), self.object(b)) else { return Ordering::Equal };
        for (key, descends) in order {
            let order = match key {
                Key::Text(at) => self.text_of(a, *at).cmp(self.text_of(b, *at)),
                Key::CreatedAt => a.created_at.cmp(&b.created_at),
                Key::Id => a.id.cmp(&b.id),
            };
            if order != Ordering::Equal {
                return if *descends { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

impl Question<'_> {
    /// By id unless something else is asked for.
    fn first_key(&self) -> Key {
        self.order.first().map_or(Key::Id, |(key, _)| *key)
    }

    fn descends_first(&self) -> bool {
        self.order.first().is_some_and(|(_, descends)| *descends)
    }
}

impl Object {
    /// Where the next one begins.
    fn end(&self) -> usize {
        self.start + self.ends[KEYS - 1] as usize + END.len_utf8()
    }
}

#[cfg(test)]
mod tests;
