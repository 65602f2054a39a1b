//! The texts of many objects, one behind the other in memory, to be searched in a few milliseconds.
//!
//! Owns which objects contain a text, in which order, and how many there are. It does not know where they come from.

use std::cmp::Ordering;

use ahash::AHashMap;
use memchr::memmem::Finder;
use uuid::Uuid;

/// Texts that an object is found by.
pub(in crate::store::sql) const KEYS: usize = 3;

/// Ends every text, so that nothing is found across two of them. No text can contain it on PostgreSQL.
const END: char = '\0';

/// Texts of former versions that are kept at least, before the rest moves together.
const FEW: usize = 1_000;

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

    fn move_together(&mut self) {
        let old = std::mem::take(self);
        for object in old.objects.iter().filter(|object| !object.is_gone) {
            self.put(&Entry {
                id: object.id,
                tenant_id: old.tenants.get(object.tenant as usize).copied().unwrap_or_default(),
                created_at: object.created_at,
                keys: std::array::from_fn(|at| old.text_of(object, at).to_owned()),
            });
        }
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
        let counts = |object: &&Object| !object.is_gone && tenant.is_none_or(|tenant| object.tenant as usize == tenant);
        let mut best = Best::new(self, question);
        match question.text {
            "" => self.objects.iter().filter(counts).for_each(|object| best.add(object)),
            text => self.containing(text).filter(counts).for_each(|object| best.add(object)),
        }
        best.page()
    }

    /// The objects with the text in one of their texts.
    fn containing<'i>(&'i self, text: &'i str) -> impl Iterator<Item = &'i Object> {
        let finder = Finder::new(text);
        let (mut at, mut next) = (0, 0);
        std::iter::from_fn(move || {
            // Our own separator is in no text.
            let hit = at + finder.find(self.text.as_bytes().get(at..)?).filter(|_| !text.contains(END))?;
            while self.objects.get(next)?.end() <= hit {
                next += 1;
            }
            let object = self.objects.get(next)?;
            at = object.end();
            next += 1;
            Some(object)
        })
    }

    fn compare(&self, a: &Object, b: &Object, order: &[(Key, bool)]) -> Ordering {
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
        a.id.cmp(&b.id)
    }
}

/// The first of many objects in an order. Most of them are compared once, with the last that may count, and dropped.
struct Best<'i, 'q> {
    index: &'i Index,
    question: &'q Question<'q>,
    /// Among them are the first `most`.
    kept: Vec<&'i Object>,
    most: usize,
    /// Nothing behind it is among the first `most`.
    last: Option<&'i Object>,
    total: usize,
}

impl<'i, 'q> Best<'i, 'q> {
    fn new(index: &'i Index, question: &'q Question<'q>) -> Self {
        let most = question.offset.saturating_add(question.limit);
        Self { index, question, kept: Vec::new(), most, last: None, total: 0 }
    }

    fn add(&mut self, object: &'i Object) {
        self.total += 1;
        let order = |a: &Object, b: &Object| self.index.compare(a, b, self.question.order);
        if self.most == 0 || self.last.is_some_and(|last| order(object, last).is_gt()) {
            return;
        }
        self.kept.push(object);
        if self.kept.len() >= self.most.saturating_mul(2) {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.most - 1, |a, b| order(a, b));
            self.last = Some(*last);
            self.kept.truncate(self.most);
        }
    }

    /// The ids of the page, and how many objects were added. No more is sorted than the page.
    fn page(mut self) -> (Vec<Uuid>, usize) {
        let order = |a: &&Object, b: &&Object| self.index.compare(a, b, self.question.order);
        let found = self.kept.as_mut_slice();
        let start = self.question.offset.min(found.len());
        let length = self.question.limit.min(found.len() - start);
        if start > 0 && start < found.len() {
            found.select_nth_unstable_by(start, order);
        }
        let rest = &mut found[start..];
        if length < rest.len() {
            rest.select_nth_unstable_by(length, order);
        }
        let page = &mut rest[..length];
        page.sort_unstable_by(order);
        (page.iter().map(|object| object.id).collect(), self.total)
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
