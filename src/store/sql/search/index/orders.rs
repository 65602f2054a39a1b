//! All objects in the order of each key, so that a page is cut out of a list that is sorted already.
//!
//! Owns that the lists stay sorted while objects come. Those that are gone stay in them until everything moves together;
//! who asks has to leave them out.

use super::{Index, KEYS, Key, Place};

/// Every key that results can be ordered by.
const ALL: [Key; KEYS + 2] = [Key::Text(0), Key::Text(1), Key::Text(2), Key::CreatedAt, Key::Id];

/// So many new objects are put into their places one by one; more are merged.
const ONE_BY_ONE: usize = 32;

/// For each of [`ALL`] the places of objects, ties by id.
#[derive(Debug, Default)]
pub(super) struct Orders {
    lists: [Vec<Place>; ALL.len()],
    /// Objects before this place are in the lists.
    taken_in: usize,
}

impl Orders {
    /// `None` while there are objects that are not in it.
    pub(super) fn of(&self, key: Key, index: &Index) -> Option<&[Place]> {
        let list = ALL.iter().position(|known| *known == key).and_then(|at| self.lists.get(at))?;
        (self.taken_in == index.objects.len()).then_some(list)
    }

    pub(super) fn take_in(&mut self, index: &Index) {
        let is_there = |place: &Place| index.object(*place).is_some_and(|object| !object.is_gone);
        let places = (self.taken_in..index.objects.len()).filter_map(|place| Place::try_from(place).ok());
        let new: Vec<Place> = places.filter(is_there).collect();
        for (key, list) in ALL.iter().zip(&mut self.lists) {
            let order = [(*key, false)];
            if new.len() <= ONE_BY_ONE {
                for place in &new {
                    let at = list.partition_point(|other| index.compare(*other, *place, &order).is_lt());
                    list.insert(at, *place);
                }
                continue;
            }
            let begun = list.len();
            list.extend(&new);
            // Most are told apart by what stands here; the rest is looked up where it is.
            let mut keyed: Vec<(u128, Place)> =
                list[begun..].iter().map(|place| (beginning(index, *place, *key), *place)).collect();
            keyed.sort_unstable_by(|(a, first), (b, second)| {
                a.cmp(b).then_with(|| index.compare(*first, *second, &order))
            });
            for (place, (_, sorted)) in list[begun..].iter_mut().zip(keyed) {
                *place = sorted;
            }
            if begun > 0 {
                // Two sorted runs, which a stable sort merges.
                list.sort_by(|a, b| index.compare(*a, *b, &order));
            }
        }
        self.taken_in = index.objects.len();
    }

    /// Objects are elsewhere now, or gone; none has overtaken another one.
    pub(super) fn move_places(&mut self, moved: &[Option<Place>]) {
        let now = |place: &Place| moved.get(*place as usize).copied().flatten();
        for list in &mut self.lists {
            *list = list.iter().filter_map(now).collect();
        }
        self.taken_in = moved.iter().take(self.taken_in).flatten().count();
    }
}

/// A number that is ordered as the key is, as far as it goes: equal for what only begins alike.
fn beginning(index: &Index, place: Place, key: Key) -> u128 {
    let Some(object) = index.object(place) else { return 0 };
    match key {
        Key::Text(at) => {
            let text = index.text_of(object, at).as_bytes();
            let mut first = [0; 16];
            let length = text.len().min(first.len());
            first[..length].copy_from_slice(&text[..length]);
            u128::from_be_bytes(first)
        }
        // Before 1970 is before everything else, which is enough for a beginning.
        Key::CreatedAt => u128::try_from(object.created_at).unwrap_or(0),
        Key::Id => object.id.as_u128(),
    }
}
