//! Promises about the event log.

use std::sync::Arc;

use super::{Behaviour, CROWD, crowd, promises};
use crate::model::{EventKind, LoggedEvent};
use crate::store::{EventOrder, EventSearch, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    events_are_numbered_and_found,
    the_oldest_events_go_first,
    events_written_at_once_have_numbers_of_their_own,
];

type Shared = Arc<dyn Store>;

fn everything() -> EventSearch {
    EventSearch {
        text: String::new(),
        kind: None,
        from_at: 0,
        until_at: i64::MAX,
        order: Vec::new(),
        limit: 100,
        offset: 0,
    }
}

async fn numbers(store: &Shared, search: &EventSearch) -> (Vec<i64>, u64) {
    let (events, total) = store.search_events(search).await.expect("an answer");
    (events.iter().map(|event| event.id).collect(), total)
}

/// D-05
async fn events_are_numbered_and_found(store: Shared) {
    let entry = |kind, message: &str| (kind, message.to_owned());
    let first = [entry(EventKind::Information, "user.created 1"), entry(EventKind::Error, "code.Reused 100%")];
    store.append_events(&first, 1_000, 100).await.expect("appended");
    store.append_events(&[entry(EventKind::Debug, "zone user.created_2")], 2_000, 100).await.expect("appended");
    let second =
        LoggedEvent { id: 2, kind: EventKind::Error, message: "code.Reused 100%".to_owned(), stored_at: 1_000 };
    assert_eq!(store.find_event(2).await.expect("an answer"), Some(second));
    assert_eq!(store.find_event(4).await.expect("an answer"), None);
    assert_eq!(numbers(&store, &everything()).await, (vec![3, 2, 1], 3), "the newest first");
    for (search, expected) in [
        (EventSearch { text: "USER".to_owned(), ..everything() }, vec![3, 1]),
        (EventSearch { text: "100%".to_owned(), ..everything() }, vec![2]),
        (EventSearch { text: "d_".to_owned(), ..everything() }, vec![3]),
        (EventSearch { kind: Some(EventKind::Error), ..everything() }, vec![2]),
        (EventSearch { from_at: 1_001, ..everything() }, vec![3]),
        (EventSearch { until_at: 1_000, ..everything() }, vec![2, 1]),
        (EventSearch { order: vec![(EventOrder::Id, false)], ..everything() }, vec![1, 2, 3]),
        (EventSearch { order: vec![(EventOrder::StoredAt, true)], ..everything() }, vec![3, 2, 1]),
        (EventSearch { order: vec![(EventOrder::Message, false)], ..everything() }, vec![2, 1, 3]),
        (EventSearch { order: vec![(EventOrder::Kind, true)], ..everything() }, vec![1, 2, 3]),
    ] {
        assert_eq!(numbers(&store, &search).await.0, expected, "{search:?}");
    }
    let page = EventSearch { limit: 1, offset: 1, ..everything() };
    assert_eq!(numbers(&store, &page).await, (vec![2], 3));
}

async fn the_oldest_events_go_first(store: Shared) {
    for number in 0..5 {
        let event = (EventKind::Information, format!("event {number}"));
        store.append_events(&[event], 1_000 + number, 3).await.expect("appended");
    }
    assert_eq!(numbers(&store, &everything()).await, (vec![5, 4, 3], 3));
    assert_eq!(store.forget_events(1_004).await.expect("an answer"), 2);
    assert_eq!(numbers(&store, &everything()).await, (vec![5], 1));
}

async fn events_written_at_once_have_numbers_of_their_own(store: Shared) {
    let append = |store: Shared, number| async move {
        let events = [1, 2].map(|part| (EventKind::Information, format!("{number} {part}")));
        store.append_events(&events, 1_000, 1_000).await.expect("appended");
    };
    crowd(&store, append).await;
    let mut expected: Vec<i64> = (1..=2 * CROWD as i64).collect();
    expected.reverse();
    assert_eq!(numbers(&store, &everything()).await.0, expected);
}
