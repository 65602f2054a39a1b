use super::*;
use crate::entropy::Entropy;

const TENANTS: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];

fn entry(number: u128, keys: [&str; KEYS]) -> Entry {
    Entry { id: Uuid::from_u128(number), tenant_id: TENANTS[0], created_at: 0, keys: keys.map(str::to_owned) }
}

fn every(text: &str) -> Question<'_> {
    Question { tenant_id: None, text, order: &[], limit: 100, offset: 0 }
}

fn numbers(index: &Index, question: &Question<'_>) -> (Vec<u128>, usize) {
    let (ids, total) = index.answer(question);
    (ids.iter().map(Uuid::as_u128).collect(), total)
}

#[test]
fn an_object_is_found_once_and_by_each_of_its_texts_alone() {
    let mut index = Index::default();
    assert_eq!(numbers(&index, &every("")), (vec![], 0));
    index.put(&entry(1, ["anna@example.com", "anna", "anna bell"]));
    index.put(&entry(2, ["", "", ""]));
    index.put(&entry(3, ["hanna@x", "", "größe"]));
    for (text, expected) in [
        ("", vec![1, 2, 3]),
        ("anna", vec![1, 3]),
        ("bell", vec![1]),
        ("größe", vec![3]),
        ("öß", vec![3]),
        ("comanna", vec![]),
        ("\0", vec![]),
        ("com\0anna", vec![]),
        ("hanna@xx", vec![]),
    ] {
        assert_eq!(numbers(&index, &every(text)), (expected.clone(), expected.len()), "{text:?}");
    }
}

#[test]
fn former_texts_are_not_found_and_not_kept_for_ever() {
    let mut index = Index::default();
    index.put(&entry(1, ["stays", "", ""]));
    for number in 0..10 * FEW {
        index.put(&entry(2, [&format!("version {number}"), "", ""]));
    }
    assert_eq!((index.len(), numbers(&index, &every("version")).0), (2, vec![2]));
    assert_eq!(numbers(&index, &every("version 77")).1, 0);
    assert!(index.objects.len() <= FEW + 6 && index.text.len() < 20 * (FEW + 6), "{}", index.objects.len());
    index.put(&entry(1, ["stays", "", ""]));
    index.remove(Uuid::from_u128(2));
    index.remove(Uuid::from_u128(3));
    assert_eq!((index.len(), numbers(&index, &every("")).0), (1, vec![1]));
}

/// What the index must answer, the slow way.
fn expected(entries: &[Entry], question: &Question<'_>) -> (Vec<Uuid>, usize) {
    let fits = |entry: &&Entry| {
        question.tenant_id.is_none_or(|id| id == entry.tenant_id)
            && entry.keys.iter().any(|key| key.contains(question.text))
    };
    let mut found: Vec<&Entry> = entries.iter().filter(fits).collect();
    found.sort_by(|a, b| {
        let orders = question.order.iter().map(|(key, descends)| {
            let order = match key {
                Key::Text(at) => a.keys[*at].cmp(&b.keys[*at]),
                Key::CreatedAt => a.created_at.cmp(&b.created_at),
                Key::Id => a.id.cmp(&b.id),
            };
            if *descends { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then).then(a.id.cmp(&b.id))
    });
    let total = found.len();
    (found.into_iter().skip(question.offset).take(question.limit).map(|entry| entry.id).collect(), total)
}

#[test]
fn pages_are_those_of_a_sorted_list() {
    let entropy = Entropy::seeded(9);
    let mut random = move |below: usize| {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % below
    };
    let (mut index, mut entries): (Index, Vec<Entry>) = Default::default();
    for round in 0..3_000 {
        // After one, after a few, after many, and perhaps not at all since the last of them.
        if [1, 2, 3, 10, 700, 701, 2_500].contains(&round) || round > 2_970 && round % 7 == 0 {
            index.settle();
        }
        let number = random(400) as u128;
        let word = |random: &mut dyn FnMut(usize) -> usize| -> String {
            (0..random(6)).map(|_| ["a", "b", "ö"][random(3)]).collect()
        };
        let keys = std::array::from_fn(|_| word(&mut random));
        let id = Uuid::from_u128(number);
        entries.retain(|entry| entry.id != id);
        if random(4) == 0 {
            index.remove(id);
        } else {
            let entry = Entry { id, tenant_id: TENANTS[random(2)], created_at: random(9) as i64, keys };
            index.put(&entry);
            entries.push(entry);
        }
    }
    assert_eq!(index.len(), entries.len());
    assert_eq!(index.orders.of(Key::Id, &index), None, "some came after the last time");
    pages_are_right(&index, &entries);
    index.settle();
    assert!(index.orders.of(Key::Id, &index).is_some());
    pages_are_right(&index, &entries);
}

fn pages_are_right(index: &Index, entries: &[Entry]) {
    let orders: [&[(Key, bool)]; 9] = [
        &[],
        &[(Key::Text(0), false)],
        &[(Key::Text(1), true)],
        &[(Key::Text(2), true), (Key::CreatedAt, false)],
        &[(Key::CreatedAt, false), (Key::Text(0), true)],
        &[(Key::CreatedAt, true)],
        &[(Key::CreatedAt, true), (Key::Id, true)],
        &[(Key::Id, true)],
        &[(Key::Id, false)],
    ];
    for text in ["", "a", "öb", "aab", "bbbb", "c"] {
        for tenant_id in [None, Some(TENANTS[0]), Some(TENANTS[1]), Some(Uuid::nil())] {
            for order in orders {
                for (limit, offset) in [(5, 0), (0, 0), (7, 20), (4, 120), (usize::MAX, 3), (3, 10_000)] {
                    let question = Question { tenant_id, text, order, limit, offset };
                    assert_eq!(
                        index.answer(&question),
                        expected(entries, &question),
                        "{text:?} {order:?} {limit} {offset}"
                    );
                }
            }
        }
    }
}
