//! Two versions at once, as during every deployment: what one of them writes, the other reads (F36).
//!
//! `v1.json` holds every event as the first version writes it, for ever: a build that does not read it cannot be deployed beside that
//! version, nor read what that left in the stream.

use ajet_shared::events::{ENVELOPE_VERSION, Envelope, Event};
use serde_json::{Map, Value, json};

use super::{AT, catalogue, id, text};

const FROZEN: &str = include_str!("v1.json");
/// What an older version does not send yet, or a newer one not any more: each of these may be missing.
const OPTIONAL: [&str; 16] = [
    "attachments",
    "channel",
    "client_msg_id",
    "edited_at",
    "hops",
    "ids",
    "last_reply_at",
    "member_ids",
    "mentions",
    "metadata",
    "participants",
    "reactions",
    "role",
    "status_text",
    "trace_id",
    "via",
];

#[expect(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
fn frozen() -> Vec<Value> {
    serde_json::from_str(FROZEN).unwrap()
}

fn read(event: &Value) -> Envelope {
    let envelope: Envelope =
        serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}"));
    assert!(!matches!(envelope.event, Event::Unknown(_)), "not known any more: {event}");
    envelope
}

/// Calls `change` for every object in it, the innermost first. What `metadata` holds is free, and left alone.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(fields) => {
            let inner = fields.iter_mut().filter(|(name, _)| *name != "metadata");
            inner.for_each(|(_, value)| each_object(value, change));
            change(fields);
        }
        _ => {}
    }
}

/// Everything that `wanted` says, `found` says, too.
fn says(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|it| says(it, value)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(one, other)| says(one, other))
        }
        _ => found == wanted,
    }
}

#[test]
fn f36_what_the_first_version_wrote_is_read_and_still_written() {
    let frozen = frozen();
    let names: Vec<&str> = frozen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    for (event, name, _) in catalogue() {
        // An event that came later is not in it, and need not be.
        let Some(place) = names.iter().position(|frozen| *frozen == name) else { continue };
        let envelope = read(&frozen[place]);
        assert_eq!(envelope.event, event, "{name}");
        assert_eq!((envelope.id, envelope.v), (id(70), ENVELOPE_VERSION));
        assert_eq!((envelope.channel_id, envelope.seq), (Some(id(20)), Some(8)));
        assert_eq!(envelope.timestamp, AT);
        let written = serde_json::to_value(&envelope).unwrap();
        assert!(says(&written, &frozen[place]), "{name} lacks something: {written}");
    }
    assert_eq!(frozen.len(), 26);
}

#[test]
fn f36_fields_that_a_newer_version_adds_are_passed_over() {
    for event in frozen() {
        let mut newer = event.clone();
        each_object(&mut newer, &mut |fields| {
            fields.insert("added_later".to_owned(), json!({ "in": ["any", "form", 7, null] }));
        });
        assert_ne!(newer, event);
        assert_eq!(read(&newer), read(&event));
    }
}

#[test]
fn f36_fields_that_an_older_version_does_not_send_are_missed_by_nobody() {
    for event in frozen() {
        let mut without_nothing = event.clone();
        each_object(&mut without_nothing, &mut |fields| fields.retain(|_, value| !value.is_null()));
        assert_eq!(read(&without_nothing), read(&event), "a missing field is one that is empty");
        let all_at_once = optional_ones_may_go(&event);
        assert_eq!(read(&all_at_once).event.name(), event["type"]);
    }
}

/// Takes each optional field away, alone, and gives the event without any of them.
fn optional_ones_may_go(event: &Value) -> Value {
    let kind = event["type"].as_str().unwrap_or_default();
    let mut without_any = event.clone();
    for name in OPTIONAL.iter().filter(|name| !is_needed(kind, name)) {
        let mut without = event.clone();
        each_object(&mut without, &mut |fields| _ = fields.remove(*name));
        assert_eq!(read(&without).event.name(), kind, "without {name}");
        each_object(&mut without_any, &mut |fields| _ = fields.remove(*name));
    }
    without_any
}

/// What is optional elsewhere is what this event tells of.
fn is_needed(kind: &str, field: &str) -> bool {
    (kind.starts_with("channel.") && field == "channel")
        || (kind == "read.updated" && field == "mentions")
}

#[test]
fn f36_what_only_a_newer_version_knows_is_skipped_and_keeps_its_place() {
    let newer = |event: &Value, change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        let envelope: Envelope = serde_json::from_value(event).unwrap();
        assert!(matches!(envelope.event, Event::Unknown(_)), "{envelope:?}");
        // A reader counts it, so that what comes next is no gap.
        assert_eq!(envelope.id, id(70));
        assert_eq!((envelope.channel_id, envelope.seq), (Some(id(20)), Some(8)));
        envelope
    };
    for event in frozen() {
        let unknown = newer(&event, &|event| event["type"] = json!("poll.closed"));
        assert_eq!(unknown.event.name(), "poll.closed");
    }
    let created = &frozen()[0];
    newer(created, &|event| event["data"]["kind"] = json!("poll"));
    newer(created, &|event| event["data"]["author"]["kind"] = json!("robot"));
    newer(created, &|event| event["data"] = json!([text(1)]));
}
