//! `webhook …`.

use ajet_shared::client::{Answer, Call, Method};
use ajet_shared::id::CommunityId;
use ajet_shared::page::PageQuery;
use ajet_shared::terminal::terminal_line;
use ajet_shared::webhook::{
    CreateWebhook, CreatedWebhook, DeliveryStatus, Webhook, WebhookDelivery,
};
use serde_json::json;
use url::Url;

use super::message::confirm;
use super::named::{find, short};
use super::unseen::ask_secret;
use crate::args;
use crate::context::Context;
use crate::error::{CliError, CliResult, Exit};
use crate::lookup::known_place;
use crate::messages::{rfc3339, when};
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};
use crate::settings::Server;

const WEBHOOK: Schema = Schema {
    fields: &[
        ("id", "the webhook's id"),
        ("name", "the name its messages carry"),
        ("channel", "name of the channel it posts into; null where you are not in it"),
        ("channel_id", "id of that channel"),
        ("signed", "whether deliveries must be signed"),
        ("allow_broadcast", "whether its messages may call @channel and @here"),
        ("created_by", "id of who made it"),
        ("created_at", "when it was made"),
        ("last_used_at", "when something came in last"),
        ("url", "its address, a secret; null except when it is made or changed"),
    ],
    plain: &["id", "name", "channel", "last_used_at"],
    extras: &[],
};

/// One with a new address: whoever redirects it wants that and nothing else.
const ADDRESSED: Schema = Schema { plain: &["url"], ..WEBHOOK };

const DELIVERY: Schema = Schema {
    fields: &[
        ("id", "the sender's own id of it, or the server's"),
        ("received_at", "when it came"),
        ("dialect", "how it was read: slack, github, raw, …"),
        ("event", "the sender's word for what happened"),
        ("status", "posted, ignored, refused or failed"),
        ("http_status", "what the sender was answered"),
        ("message_id", "the message it became"),
        ("detail", "why it was not posted"),
    ],
    plain: &["received_at", "status", "http_status", "dialect", "event", "message_id", "detail"],
    extras: &[],
};

const TEST: Schema = Schema {
    fields: &[("http_status", "what the server answered"), ("answer", "its words")],
    plain: &["http_status", "answer"],
    extras: &[],
};

/// What a webhook is called, and where all of them are shown.
const NOUN: (&str, &str) = ("webhook", "ajet-chat webhook list");

pub(super) async fn run(context: &Context, verb: args::Webhook) -> CliResult {
    match verb {
        args::Webhook::Create(new) => create(context, &new).await,
        args::Webhook::List => list(context).await,
        args::Webhook::Rotate { webhook, yes } => rotate(context, &webhook, yes).await,
        args::Webhook::Revoke { webhook, yes } => revoke(context, &webhook, yes).await,
        args::Webhook::Test { webhook, text } => test(context, &webhook, &text).await,
        args::Webhook::Deliveries { webhook, count } => deliveries(context, &webhook, count).await,
    }
}

async fn record(context: &Context, webhook: &Webhook, url: Option<&str>) -> CliResult<Record> {
    let channel = known_place(context.sync().await?, webhook.channel_id).map(|place| place.name);
    Ok(Record::default()
        .with("id", webhook.id.to_string())
        .with("name", webhook.name.clone())
        .with("channel", channel)
        .with("channel_id", webhook.channel_id.to_string())
        .with("signed", webhook.signed)
        .with("allow_broadcast", webhook.allow_broadcast)
        .with("created_by", webhook.created_by.to_string())
        .with("created_at", rfc3339(webhook.created_at))
        .with("last_used_at", webhook.last_used_at.map(rfc3339))
        .with("url", url.map(str::to_owned)))
}

async fn create(context: &Context, new: &args::CreateWebhook) -> CliResult {
    let output = context.output(&ADDRESSED)?;
    let place = context.channel(&new.channel).await?;
    let Some(community) = &place.community else {
        return Err(CliError::usage("A webhook posts into a channel, not to a person.")
            .hint("ajet-chat channel list"));
    };
    let signing_secret = if new.signed {
        let what = "The secret shared with the sender (8 characters or more)";
        Some(ask_secret(context, what, "pass the secret on standard input: … < secret.txt")?)
    } else {
        None
    };
    let request = CreateWebhook {
        channel_id: place.id(),
        name: new.name.clone(),
        signing_secret,
        allow_broadcast: new.allow_broadcast,
    };
    let client = context.client().await?;
    let created = context.call(client.create_webhook(community.id, &request)).await?;
    let record = record(context, &created.webhook, Some(&created.url)).await?;
    context.screen.done(&format!("Webhook {} posts to {}", created.webhook.name, place.label()));
    show_address(context, &created);
    output.one(&record, || format!("{}\n", terminal_line(&created.url)))
}

/// The talk around an address; the address itself is data.
fn show_address(context: &Context, created: &CreatedWebhook) {
    context.screen.warn("Copy the URL now. It holds the secret and is not shown again.");
    let id = short(created.webhook.id.uuid());
    context.screen.say(&format!("  Try it: ajet-chat webhook test {id} \"hello\""));
}

async fn all(context: &Context) -> CliResult<(CommunityId, Vec<Webhook>)> {
    let community = context.community().await?.community.id;
    let client = context.client().await?;
    Ok((community, context.call(client.webhooks(community)).await?.items))
}

async fn named(context: &Context, typed: &str) -> CliResult<(CommunityId, Webhook)> {
    let (community, webhooks) = all(context).await?;
    let found = find(&webhooks, typed, NOUN, |webhook| (webhook.id.uuid(), Some(&webhook.name)))?;
    Ok((community, found.clone()))
}

async fn list(context: &Context) -> CliResult {
    let output = context.output(&WEBHOOK)?;
    let (_, webhooks) = all(context).await?;
    let mut records = Vec::new();
    for webhook in &webhooks {
        records.push(record(context, webhook, None).await?);
    }
    output.list(&records, || {
        if webhooks.is_empty() {
            return "There is no webhook yet. Make one: ajet-chat webhook create CHANNEL NAME\n"
                .to_owned();
        }
        let head = [
            Column { title: "ID", right: false },
            Column { title: "NAME", right: false },
            Column { title: "CHANNEL", right: false },
            Column { title: "LAST USED", right: false },
            Column { title: "RULES", right: false },
        ];
        let rows: Vec<Vec<Cell>> =
            webhooks.iter().zip(&records).map(|(webhook, record)| row(webhook, record)).collect();
        table(context.screen.paint, &head, &rows)
    })
}

fn row(webhook: &Webhook, record: &Record) -> Vec<Cell> {
    let rules = [(webhook.signed, "signed"), (webhook.allow_broadcast, "may call @channel")];
    let rules: Vec<&str> = rules.iter().filter(|rule| rule.0).map(|rule| rule.1).collect();
    vec![
        Cell::looking(short(webhook.id.uuid()), Paint::dim),
        Cell::looking(&webhook.name, Paint::bold),
        Cell::new(record.text("channel")),
        Cell::looking(webhook.last_used_at.map_or_else(|| "never".to_owned(), when), Paint::dim),
        Cell::new(rules.join(", ")),
    ]
}

async fn rotate(context: &Context, typed: &str, yes: bool) -> CliResult {
    let output = context.output(&ADDRESSED)?;
    let (community, webhook) = named(context, typed).await?;
    if !yes {
        let question = format!(
            "Give {} a new address? Its sender must learn it; the old one stops working at once.",
            webhook.name
        );
        confirm(context, &question)?;
    }
    let client = context.client().await?;
    let created = context.call(client.rotate_webhook(community, webhook.id)).await?;
    let record = record(context, &created.webhook, Some(&created.url)).await?;
    context.screen.done(&format!("Webhook {} has a new address", created.webhook.name));
    show_address(context, &created);
    output.one(&record, || format!("{}\n", terminal_line(&created.url)))
}

async fn revoke(context: &Context, typed: &str, yes: bool) -> CliResult {
    let output = context.output(&WEBHOOK)?;
    let (community, webhook) = named(context, typed).await?;
    if !yes {
        confirm(context, &format!("End the webhook {}? Its address stops working.", webhook.name))?;
    }
    let client = context.client().await?;
    context.call(client.revoke_webhook(community, webhook.id)).await?;
    context.screen.done(&format!("Webhook {} is ended", webhook.name));
    if output.is_human() {
        return Ok(());
    }
    output.one(&record(context, &webhook, None).await?, String::new)
}

async fn deliveries(context: &Context, typed: &str, count: u16) -> CliResult {
    let output = context.output(&DELIVERY)?;
    let (community, webhook) = named(context, typed).await?;
    let client = context.client().await?;
    let page = PageQuery { limit: Some(count), ..PageQuery::default() };
    let page = context.call(client.webhook_deliveries(community, webhook.id, page)).await?;
    let records: Vec<Record> = page.items.iter().map(delivery).collect();
    output.list(&records, || {
        if page.items.is_empty() {
            return format!("Nothing has come in by {} yet.\n", terminal_line(&webhook.name));
        }
        let head = [
            Column { title: "WHEN", right: false },
            Column { title: "STATUS", right: false },
            Column { title: "ANSWER", right: true },
            Column { title: "READ AS", right: false },
            Column { title: "DETAIL", right: false },
        ];
        table(context.screen.paint, &head, &page.items.iter().map(delivery_row).collect::<Vec<_>>())
    })
}

fn delivery(delivery: &WebhookDelivery) -> Record {
    Record::default()
        .with("id", delivery.delivery_key.clone())
        .with("received_at", rfc3339(delivery.received_at))
        .with("dialect", delivery.dialect.clone())
        .with("event", delivery.event.clone())
        .with("status", json!(delivery.status))
        .with("http_status", delivery.http_status)
        .with("message_id", delivery.message_id.map(|id| id.to_string()))
        .with("detail", delivery.detail.clone())
}

fn delivery_row(delivery: &WebhookDelivery) -> Vec<Cell> {
    let (word, look): (&str, fn(Paint, &str) -> String) = match delivery.status {
        DeliveryStatus::Posted => ("✓ posted", Paint::green),
        DeliveryStatus::Ignored => ("· ignored", Paint::dim),
        DeliveryStatus::Refused => ("✗ refused", Paint::red),
        DeliveryStatus::Failed => ("✗ failed", Paint::red),
    };
    let read_as = format!("{} {}", delivery.dialect, delivery.event);
    let message = delivery.message_id.map(|id| short(id.uuid()));
    vec![
        Cell::looking(when(delivery.received_at), Paint::dim),
        Cell::looking(word, look),
        Cell::new(delivery.http_status.to_string()),
        Cell::new(read_as.trim_end()),
        Cell::new(message.unwrap_or_else(|| delivery.detail.clone())),
    ]
}

async fn test(context: &Context, typed: &str, text: &str) -> CliResult {
    let output = context.output(&TEST)?;
    let url = if typed.contains("://") {
        address(typed)?
    } else {
        let (_, webhook) = named(context, typed).await?;
        let what = format!("The URL of {}, as it was shown when it was made", webhook.name);
        let lost = format!("is it lost? ajet-chat webhook rotate {}", short(webhook.id.uuid()));
        let url = address(&ask_secret(context, &what, &lost)?)?;
        if !url.path().contains(&webhook.id.to_string()) {
            return Err(CliError::usage(format!("This URL is not that of {}.", webhook.name)));
        }
        url
    };
    let server = Server::parse(&url.origin().ascii_serialization())?;
    let client = context.anonymous(&server)?;
    let mut path = url.path().to_owned();
    if let Some(query) = url.query() {
        path = format!("{path}?{query}");
    }
    let call = Call::new(Method::POST, path).json(&json!({ "text": text }));
    let answer = context.call(client.send(&call)).await?;
    let words = String::from_utf8_lossy(&answer.body).trim().chars().take(200).collect::<String>();
    if !answer.status.is_success() {
        return Err(refused(&answer, &words));
    }
    context.screen.done("It was taken. The message is in its channel");
    let record =
        Record::default().with("http_status", answer.status.as_u16()).with("answer", words.clone());
    if output.is_human() { Ok(()) } else { output.one(&record, String::new) }
}

/// The address of a webhook. Its secret part is never repeated in an error.
fn address(text: &str) -> CliResult<Url> {
    Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.path().contains("/hook"))
        .ok_or_else(|| {
            CliError::usage("This is not the URL of a webhook.")
                .hint("It looks like https://chat.example.org/hook/…/…")
        })
}

/// What an answer means to who tests.
fn refused(answer: &Answer, words: &str) -> CliError {
    let (exit, what) = match (answer.status.as_u16(), words) {
        (404, _) => {
            (Exit::NotFound, "There is no such webhook: the URL is wrong, or it was ended.")
        }
        (410, _) => (Exit::Refused, "Its channel is archived."),
        (401, _) => (Exit::Refused, "It takes only signed deliveries, and a test is not signed."),
        (429, _) => (Exit::RateLimited, "Too many deliveries in a short time."),
        (400, "no_text") => (Exit::Refused, "There is no text in it."),
        (400..=499, _) => (Exit::Refused, "It was refused."),
        (502..=504, _) => (Exit::Unreachable, "The server cannot take it now."),
        _ => (Exit::Failed, "The server failed."),
    };
    let code = if words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        words
    } else {
        "refused"
    };
    CliError::new(exit, code, what).hint(format!(
        "{} answered {} {words}",
        "The server",
        answer.status.as_u16()
    ))
}
