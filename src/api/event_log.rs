//! `/api/system/event-log`: what happened, for administrators to look up (D-05). It belongs to no tenant.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::Api;
use super::answer::{Refusal, Reply, json_answer};
use super::call::milliseconds;
use super::search::{self, Search};
use crate::model::{EventKind, LoggedEvent};
use crate::store::{EventOrder, EventSearch};

fn shown(event: &LoggedEvent) -> Value {
    json!({
        "id": event.id,
        "insertInstant": milliseconds(event.stored_at),
        "message": event.message,
        "type": event.kind.as_str(),
    })
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let id: i64 = id.parse().map_err(|_| Refusal::NotFound)?;
    let event = api.events.find(id).await?.ok_or(Refusal::NotFound)?;
    json_answer(&json!({ "eventLog": shown(&event) }))
}

/// `start` and `end` are instants in milliseconds, both included; a second is the finest that we know.
pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let search = Search::of_numbers(&call, &["message", "type"], &["start", "end"])?;
    let mut members = search.members();
    let text = members.text("message").unwrap_or_default();
    let kind = members.choice("type", &EventKind::ALL, EventKind::as_str);
    let (start, end) = (members.integer("start"), members.integer("end"));
    let page = search::page(&mut members, &["id", "insertInstant", "message", "type"]);
    members.finish()?;
    let order = page.order.iter().map(|(name, descends)| {
        let by = match name.as_str() {
            "id" => EventOrder::Id,
            "message" => EventOrder::Message,
            "type" => EventOrder::Kind,
            _ => EventOrder::StoredAt,
        };
        (by, *descends)
    });
    let asked = EventSearch {
        text: search::wanted(&text).to_owned(),
        kind,
        from_at: start.map_or(i64::MIN, |at| at.div_euclid(1000)),
        until_at: end.map_or(i64::MAX, |at| at.div_euclid(1000)),
        order: order.collect(),
        limit: u32::try_from(page.results).unwrap_or(u32::MAX),
        offset: u32::try_from(page.start).unwrap_or(u32::MAX),
    };
    let (events, total) = api.events.search(&asked).await?;
    let events: Vec<Value> = events.iter().map(shown).collect();
    json_answer(&json!({ "eventLogs": events, "total": total }))
}
