//! Attachments: one card each.

use ajet_shared::webhook::{Card, Field, Link, Tone};
use serde_json::Value;

use super::escape::{one_line, shorten};
use super::json::{at, flag, line, moment, text, url};
use super::slack::{Manner, objects, words};
use super::{Refusal, blocks, emoji, mrkdwn};

/// Fields of one card.
const FIELDS_MAX: usize = 25;
/// Buttons of one card.
const ACTIONS_MAX: usize = 10;
/// Characters of a title or a name. Source: what a card shows on two lines.
const TITLE_MAX: usize = 250;
/// Characters of a footer. Source: section 4.2.
const FOOTER_MAX: usize = 300;
/// Characters of a card's text; what is longer is a log, and belongs behind a link.
const TEXT_MAX: usize = 8_000;

/// Reads one attachment.
pub(super) fn card(value: &Value, manner: Manner) -> Result<Card, Refusal> {
    let fields = objects(value, "fields")?;
    let said = words(value, "text")?;
    let said = if flag(value, "mrkdwn") == Some(false) {
        mrkdwn::plain(&said)
    } else {
        manner.markdown(&shorten(&said, TEXT_MAX))
    };
    let blocks = blocks::markdown(objects(value, "blocks")?, manner);
    let pretext = manner.markdown(&words(value, "pretext")?);
    let mut card = Card {
        tone: tone(at(value, "color")),
        pretext_md: Some(pretext).filter(|text| !text.is_empty()),
        author: linked(value, "author_name", "author_link"),
        title: linked(value, "title", "title_link"),
        text_md: [said, blocks]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n"),
        fields: fields.iter().take(FIELDS_MAX).map(|value| field(value, manner)).collect(),
        actions: actions(objects(value, "actions")?),
        image: image(value),
        footer: Some(decoded_line(value, "footer", FOOTER_MAX)).filter(|text| !text.is_empty()),
        at: moment(value, "ts"),
    };
    // Only what cannot be drawn otherwise is said by the fallback.
    if is_bare(&card) {
        card.text_md = mrkdwn::plain(&text(value, "fallback"));
    }
    Ok(card)
}

fn is_bare(card: &Card) -> bool {
    card.pretext_md.is_none()
        && card.title.is_none()
        && card.text_md.is_empty()
        && card.fields.is_empty()
        && card.actions.is_empty()
        && card.image.is_none()
}

fn linked(value: &Value, text_key: &str, url_key: &str) -> Option<Link> {
    let text = decoded_line(value, text_key, TITLE_MAX);
    (!text.is_empty()).then(|| Link { text, url: url(value, url_key) })
}

fn decoded_line(value: &Value, key: &str, max: usize) -> String {
    emoji::replaced(&mrkdwn::decoded(&line(value, key, max)))
}

fn field(value: &Value, manner: Manner) -> Field {
    Field {
        name: decoded_line(value, "title", TITLE_MAX),
        value_md: manner.markdown(&shorten(&text(value, "value"), TEXT_MAX)),
        short: flag(value, "short").unwrap_or(false),
    }
}

/// Buttons that lead somewhere. The others would have to answer the sender, which a webhook cannot.
fn actions(actions: &[Value]) -> Vec<Link> {
    let button = |value: &Value| {
        let url = url(value, "url")?;
        let text = [line(value, "text", 80), line(value, "text.text", 80), line(value, "name", 80)]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_else(|| url.clone());
        Some(Link { text: emoji::replaced(&text), url: Some(url) })
    };
    actions.iter().filter_map(button).take(ACTIONS_MAX).collect()
}

fn image(value: &Value) -> Option<Link> {
    let url = url(value, "image_url").or_else(|| url(value, "thumb_url"))?;
    Some(Link { text: picture_name(&url), url: Some(url) })
}

/// The last segment of a picture's address, where it looks like a file's name.
pub(super) fn picture_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('/').next() {
        Some(name) if name.contains('.') && path.matches('/').count() > 2 => one_line(name, 80),
        _ => "picture".to_owned(),
    }
}

/// `good`, `warning`, `danger`; a colour by its hue; none for grey, white, black and what is no colour.
pub(super) fn tone(color: &Value) -> Option<Tone> {
    if let Some(number) = color.as_u64() {
        return of_hue(u32::try_from(number).ok()?);
    }
    let name = color.as_str()?.trim().to_ascii_lowercase();
    match name.as_str() {
        "good" | "green" | "success" => Some(Tone::Ok),
        "warning" | "yellow" | "orange" => Some(Tone::Warn),
        "danger" | "red" | "error" => Some(Tone::Bad),
        "blue" | "info" | "primary" => Some(Tone::Info),
        hex => {
            let hex = hex.trim_start_matches('#');
            match hex.len() {
                6 => of_hue(u32::from_str_radix(hex, 16).ok()?),
                // #abc is #aabbcc.
                3 => {
                    let short = u32::from_str_radix(hex, 16).ok()?;
                    of_hue(
                        (short >> 8 & 15) * 0x11_0000
                            + (short >> 4 & 15) * 0x1100
                            + (short & 15) * 0x11,
                    )
                }
                _ => None,
            }
        }
    }
}

fn of_hue(rgb: u32) -> Option<Tone> {
    let channel = |shift: u32| i64::from(rgb >> shift & 0xff);
    let (red, green, blue) = (channel(16), channel(8), channel(0));
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    // Too grey to mean anything.
    if rgb > 0xff_ffff || spread < 48 {
        return None;
    }
    let degrees = match most {
        _ if most == red => (60 * (green - blue) / spread).rem_euclid(360),
        _ if most == green => 60 * (blue - red) / spread + 120,
        _ => 60 * (red - green) / spread + 240,
    };
    Some(match degrees {
        0..22 | 335..360 => Tone::Bad,
        22..70 => Tone::Warn,
        70..170 => Tone::Ok,
        170..270 => Tone::Info,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn colours_have_a_meaning_or_none() {
        for (color, expected) in [
            (json!("good"), Some(Tone::Ok)),
            (json!("warning"), Some(Tone::Warn)),
            (json!("danger"), Some(Tone::Bad)),
            (json!("#2eb886"), Some(Tone::Ok)),
            (json!("#FF0000"), Some(Tone::Bad)),
            (json!("a30200"), Some(Tone::Bad)),
            (json!("#f80"), Some(Tone::Warn)),
            (json!("#439FE0"), Some(Tone::Info)),
            (json!(15_158_332), Some(Tone::Bad)),
            (json!(3_066_993), Some(Tone::Ok)),
            (json!("#808080"), None),
            (json!("#fff"), None),
            (json!("#36a64fff"), None),
            (json!("fuchsia"), None),
            (json!("日本"), None),
            (json!(null), None),
            (json!(-1), None),
            (json!(4_000_000_000_u32), None),
            (json!([1]), None),
        ] {
            assert_eq!(tone(&color), expected, "{color}");
        }
    }

    #[test]
    fn pictures_are_named_by_their_file() {
        assert_eq!(picture_name("https://a.b/c/graph.png?x=1"), "graph.png");
        assert_eq!(picture_name("https://a.b/render/1"), "picture");
        assert_eq!(picture_name("https://a.b"), "picture");
    }
}
