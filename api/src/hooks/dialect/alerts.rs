//! Alerts of Prometheus' Alertmanager and of Grafana: the same body, Grafana's with more in it (section 4.3).

use ajet_shared::webhook::{Card, Field, Link, Tone};
use serde_json::Value;

use super::escape::{code, escape, one_line, shorten};
use super::json::{as_text, line, moment, number, text, url};
use super::slack::objects;
use super::{Refusal, Said};

/// Alerts of one group that are listed.
const LISTED_MAX: usize = 10;
/// Labels that say what the title or the tone says already.
const KNOWN_LABELS: [&str; 3] = ["alertname", "severity", "grafana_folder"];

/// One card for the group.
pub(super) fn read(value: &Value) -> Result<Said, Refusal> {
    if !value.is_object() {
        return Err(Refusal::InvalidPayload);
    }
    let alerts = objects(value, "alerts")?;
    if alerts.is_empty() {
        return Err(Refusal::NoText);
    }
    let firing = is_firing(value);
    let card = Card {
        tone: Some(tone(value, firing)),
        title: Some(Link { text: title(value, alerts, firing), url: url(value, "externalURL") }),
        text_md: listed(value, alerts),
        fields: fields(value),
        actions: actions(alerts),
        footer: Some(footer(value, alerts, firing)),
        at: alerts
            .first()
            .and_then(|alert| moment(alert, if firing { "startsAt" } else { "endsAt" })),
        ..Card::default()
    };
    Said::card(card)
}

fn is_firing(alert: &Value) -> bool {
    text(alert, "status") != "resolved"
}

fn tone(value: &Value, firing: bool) -> Tone {
    match text(value, "commonLabels.severity").as_str() {
        _ if !firing => Tone::Ok,
        "warning" | "warn" | "minor" => Tone::Warn,
        "info" | "none" => Tone::Info,
        _ => Tone::Bad,
    }
}

/// What it is called; Grafana's own title says firing and resolved already, in capitals.
fn title(value: &Value, alerts: &[Value], firing: bool) -> String {
    let name = [
        line(value, "groupLabels.alertname", 200),
        line(value, "commonLabels.alertname", 200),
        alerts.first().map(|alert| line(alert, "labels.alertname", 200)).unwrap_or_default(),
        line(value, "title", 200),
        line(value, "receiver", 200),
    ]
    .into_iter()
    .find(|name| !name.is_empty())
    .unwrap_or_else(|| "Alert".to_owned());
    let burning = alerts.iter().filter(|alert| is_firing(alert)).count();
    match (firing, burning) {
        (false, _) => format!("Resolved: {name}"),
        (true, 0 | 1) => format!("Firing: {name}"),
        (true, count) => format!("Firing: {name} ({count} alerts)"),
    }
}

fn listed(value: &Value, alerts: &[Value]) -> String {
    if let [only] = alerts {
        return described(only);
    }
    let item = |alert: &Value| {
        let mark = if is_firing(alert) { "" } else { "resolved: " };
        let said = one_line(&annotation(alert), 300);
        let labels = own_labels(alert, value);
        let parts = [escape(&said), labels].into_iter().filter(|part| !part.is_empty());
        let said = parts.collect::<Vec<_>>().join(" · ");
        let source = url(alert, "generatorURL").map(|url| format!(" ([source]({url}))"));
        format!("- {mark}{said}{}", source.unwrap_or_default())
    };
    let mut lines: Vec<String> = alerts.iter().take(LISTED_MAX).map(item).collect();
    let cut = i64::try_from(alerts.len().saturating_sub(LISTED_MAX)).unwrap_or(i64::MAX);
    let more = cut.saturating_add(number(value, "truncatedAlerts").unwrap_or(0).max(0));
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}

/// All that one alert says.
fn described(alert: &Value) -> String {
    let summary = text(alert, "annotations.summary");
    let description = [text(alert, "annotations.description"), text(alert, "annotations.message")]
        .into_iter()
        .find(|text| !text.is_empty() && *text != summary)
        .unwrap_or_default();
    let value = match text(alert, "valueString") {
        empty if empty.is_empty() => String::new(),
        value => code(&one_line(&value, 300)),
    };
    let parts = [escape(&summary), escape(&shorten(&description, 2_000)), value];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn annotation(alert: &Value) -> String {
    ["annotations.summary", "annotations.description", "annotations.message", "labels.alertname"]
        .into_iter()
        .map(|path| text(alert, path))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Labels that this alert does not share with the others.
fn own_labels(alert: &Value, group: &Value) -> String {
    let own = labels(alert, "labels").filter(|(key, value)| {
        !KNOWN_LABELS.contains(&key.as_str())
            && group.pointer("/commonLabels").and_then(|common| common.get(key)) != Some(*value)
    });
    own.take(6)
        .map(|(key, value)| code(&format!("{}={}", one_line(key, 60), worth(value))))
        .collect::<Vec<_>>()
        .join(" ")
}

fn fields(value: &Value) -> Vec<Field> {
    labels(value, "commonLabels")
        .filter(|(key, _)| *key != "alertname")
        .take(8)
        .map(|(key, value)| Field {
            name: one_line(key, 60),
            value_md: code(&worth(value)),
            short: true,
        })
        .collect()
}

fn labels<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn worth(value: &Value) -> String {
    one_line(&as_text(value).unwrap_or_default(), 200)
}

/// Where one goes from here, as far as the first alert says it.
fn actions(alerts: &[Value]) -> Vec<Link> {
    let Some(alert) = alerts.first() else { return Vec::new() };
    [
        ("Source", "generatorURL"),
        ("Dashboard", "dashboardURL"),
        ("Panel", "panelURL"),
        ("Silence", "silenceURL"),
        ("Runbook", "annotations.runbook_url"),
    ]
    .into_iter()
    .filter_map(|(text, path)| Some(Link { text: text.to_owned(), url: Some(url(alert, path)?) }))
    .collect()
}

fn footer(value: &Value, alerts: &[Value], firing: bool) -> String {
    let receiver = line(value, "receiver", 100);
    let state = if firing { "firing" } else { "resolved" };
    let lasted = alerts.first().filter(|_| !firing).and_then(|alert| {
        let span = moment(alert, "endsAt")? - moment(alert, "startsAt")?;
        Some(format!("after {}", super::forge::lasted(span.whole_seconds())?))
    });
    [Some(receiver), Some(state.to_owned()), lasted]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}
