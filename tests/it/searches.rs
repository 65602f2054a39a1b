//! Searches in memory: they answer what the database would, and see at once what any process wrote.

use std::sync::Arc;

use faregate::model::{Tenant, User};
use faregate::store::conformance::behaviours;
use faregate::store::sql::{Options, SqlStore};
use faregate::store::{Search, Store};
use uuid::Uuid;

use crate::support::database::Database;

const TENANT: Uuid = Uuid::from_u128(1);

fn user(number: u128) -> User {
    User { email: Some(format!("person{number}@example.com")), ..User::new(Uuid::from_u128(number), TENANT, 1_000) }
}

async fn databases() -> impl Iterator<Item = Database> {
    [Some(Database::sqlite()), Database::postgres().await].into_iter().flatten()
}

/// The numbers of the users who are found, and how many there are.
async fn found(store: &SqlStore, text: &str) -> (Vec<u128>, u64) {
    let search = Search { text: text.to_owned(), limit: 5, ..Search::default() };
    let (users, total) = store.search_users(&search).await.expect("answer");
    (users.iter().map(|user| user.id.as_u128()).collect(), total)
}

async fn opened(database: &Database, searched_in_memory: usize) -> Arc<SqlStore> {
    let options = Options { searched_in_memory, ..Options::default() };
    Arc::new(SqlStore::open(&database.url(), &options).await.expect("the store opens"))
}

// Where there are too many objects for memory, the database finds the same
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_finds_what_memory_finds() {
    let mut searches = behaviours().filter(|behaviour| behaviour.name.contains("searched")).peekable();
    assert!(searches.peek().is_some());
    for behaviour in searches {
        for most in [0, 2] {
            for database in databases().await {
                let store = opened(&database, most).await;
                (behaviour.run)(Arc::clone(&store) as Arc<dyn Store>).await;
                store.close().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_finds_what_another_one_wrote() {
    for database in databases().await {
        let (one, other) = (database.open().await, database.open().await);
        one.insert_tenant(&Tenant::new(TENANT, "acme", 1)).await.expect("inserted");
        one.insert_user(&user(1)).await.expect("inserted");
        assert_eq!(found(&other, "PERSON").await, (vec![1], 1));
        // Who comes with many.
        let many: Vec<_> = (2..=1_200).map(|number| (user(number), Vec::new())).collect();
        for some in many.chunks(500) {
            one.insert_people(some).await.expect("inserted");
        }
        assert_eq!(found(&other, "person").await, (vec![1, 2, 3, 4, 5], 1_200));
        assert_eq!(found(&other, "person1200@").await, (vec![1_200], 1));
        // Who is another one now, and who is gone.
        let after = User { email: Some("somebody@example.com".to_owned()), ..user(700) };
        assert!(one.update_user(&user(700), &after).await.expect("answer"));
        assert!(one.delete_user(user(1).id, 2_000).await.expect("answer"));
        assert_eq!(found(&other, "person700@").await, (vec![], 0));
        assert_eq!(found(&other, "somebody").await, (vec![700], 1));
        assert_eq!(found(&other, "").await, (vec![2, 3, 4, 5, 6], 1_199));
        one.close().await;
        other.close().await;
    }
}

// A node that was away for longer than changes are kept, or heard of too many, reads everything again
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_missed_changes_finds_what_is_there() {
    for database in databases().await {
        let (one, other) = (database.open().await, database.open().await);
        one.insert_tenant(&Tenant::new(TENANT, "acme", 1)).await.expect("inserted");
        for number in 1..=3 {
            one.insert_user(&user(number)).await.expect("inserted");
        }
        assert_eq!(found(&other, "person").await.1, 3);
        assert!(one.delete_user(user(1).id, 2_000).await.expect("answer"));
        one.insert_user(&user(4)).await.expect("inserted");
        one.forget(9_000, 8_000).await.expect("forgotten");
        assert_eq!(one.changes_since(0, 10).await.expect("changes").len(), 1, "the newest stays");
        assert_eq!(found(&other, "person").await, (vec![2, 3, 4], 3));
        one.insert_user(&user(5)).await.expect("inserted");
        assert_eq!(found(&other, "person").await, (vec![2, 3, 4, 5], 4));
        let many: Vec<_> = (10..6_010).map(|number| (user(number), Vec::new())).collect();
        for some in many.chunks(2_000) {
            one.insert_people(some).await.expect("inserted");
        }
        assert_eq!(found(&other, "person").await.1, 6_004);
        assert_eq!(found(&other, "person6009@").await, (vec![6_009], 1));
        one.close().await;
        other.close().await;
    }
}
