use std::sync::Arc;

use crate::clock::Clock;
use crate::directory::declare::{
    Declaration, EntityDeclaration, EntityTypeDeclaration, NoKeys, Owner, Plan, TenantDeclaration, Terms,
};
use crate::directory::{Directory, DirectoryError};
use crate::entropy::Entropy;
use crate::store::Store;
use crate::store::sql::{Options, SqlStore};

const KEEP: Terms = Terms { owner: Owner::Files, prune: false };
const PRUNE: Terms = Terms { owner: Owner::Files, prune: true };

async fn nodes() -> (Directory, Directory) {
    let store: Arc<dyn Store> =
        Arc::new(SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory"));
    let node = |seed| Directory::new(Arc::clone(&store), Clock::fixed(1_000), Entropy::seeded(seed));
    (node(1), node(2))
}

fn declaration(entities: &[&str]) -> Declaration {
    let entity = |name: &&str| EntityDeclaration {
        name: (*name).to_owned(),
        entity_type: "API".to_owned(),
        ..EntityDeclaration::default()
    };
    Declaration {
        tenants: vec![TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() }],
        entity_types: vec![EntityTypeDeclaration { name: "API".to_owned(), ..EntityTypeDeclaration::default() }],
        entities: entities.iter().map(entity).collect(),
        ..Declaration::default()
    }
}

async fn plan(directory: &Directory, entities: &[&str], terms: Terms) -> Plan {
    directory.plan(&declaration(entities), terms).await.expect("a plan")
}

async fn apply(directory: &Directory, entities: &[&str], terms: Terms) {
    let (_, stopped) = directory.carry_out(plan(directory, entities, terms).await, &NoKeys).await;
    assert!(stopped.is_none(), "{stopped:?}");
}

// T74: of two who apply at once the store lets one write, and the other is told what stopped it
#[tokio::test]
async fn who_is_second_is_stopped_and_may_try_again() {
    let (one, other) = nodes().await;
    let (first, second) = (plan(&one, &["orders"], KEEP).await, plan(&other, &["orders"], KEEP).await);
    assert!(one.carry_out(first, &NoKeys).await.1.is_none());
    let (done, stopped) = other.carry_out(second, &NoKeys).await;
    let stopped = stopped.expect("somebody else was faster");
    assert_eq!((stopped.what.as_str(), done.created.len()), ("tenant \"acme\"", 0));
    assert!(matches!(stopped.error, DirectoryError::Invalid(_)), "{stopped:?}");
    assert!(plan(&other, &["orders"], KEEP).await.steps.is_empty());

    let rename = |secret: &str| {
        let mut declared = declaration(&["orders"]);
        declared.entities[0].client_secret = Some(crate::secret::Secret::from(secret.repeat(32)));
        declared
    };
    let first = one.plan(&rename("a"), KEEP).await.expect("a plan");
    let second = other.plan(&rename("b"), KEEP).await.expect("a plan");
    assert!(one.carry_out(first, &NoKeys).await.1.is_none());
    let stopped = other.carry_out(second, &NoKeys).await.1.expect("it was read before the other one wrote");
    assert!(matches!(stopped.error, DirectoryError::Changed(_)), "{stopped:?}");
}

// Pruning deletes what was applied; without it, it is named and left alone
#[tokio::test]
async fn what_no_file_names_any_more_goes_only_when_asked() {
    let (directory, _) = nodes().await;
    apply(&directory, &["orders", "billing"], KEEP).await;
    let kept = plan(&directory, &["orders"], KEEP).await;
    assert!(kept.steps.is_empty());
    assert_eq!(kept.left, ["entity \"billing\""]);
    let pruned = plan(&directory, &["orders"], PRUNE).await;
    assert_eq!((pruned.steps.len(), pruned.left.len()), (1, 0));
    apply(&directory, &["orders"], PRUNE).await;
    assert_eq!(directory.entities(None).await.expect("a list").len(), 1);
}

// What `directory:` declares and what was applied do not touch each other
#[tokio::test]
async fn two_owners_leave_each_other_alone() {
    let (directory, _) = nodes().await;
    directory.apply(&declaration(&["orders"]), &NoKeys).await.expect("declared");
    let error = directory.plan(&declaration(&["orders"]), KEEP).await.expect_err("it belongs to the configuration");
    assert!(error.to_string().contains("was not made by `faregate apply`"), "{error}");
    let reports = Declaration {
        entities: vec![EntityDeclaration {
            name: "reports".to_owned(),
            entity_type: "API".to_owned(),
            ..EntityDeclaration::default()
        }],
        ..Declaration::default()
    };
    let plan = directory.plan(&reports, PRUNE).await.expect("types and tenants may be in the store");
    assert_eq!(plan.steps.len(), 1, "{plan:?}");
    assert!(directory.carry_out(plan, &NoKeys).await.1.is_none());
    let again = directory.apply(&declaration(&["orders"]), &NoKeys).await.expect("declared again");
    assert_eq!((again.removed.len(), again.unchanged), (0, 3));
}
