//! The cards of a webhook's message (design.md section 5, "external card").

use ajet_shared::markdown::{SafeHtml, to_html};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::webhook::{Card, Field, Link, Tone, WebhookMetadata};
use askama::Template;

use super::message::Time;
use super::{filters, fragments};

/// All cards of one message.
#[derive(Template)]
#[template(path = "fragments/cards.html")]
pub(crate) struct Cards {
    cards: Vec<CardView>,
}

/// One card. Everything in it comes from another system: texts are escaped, Markdown is sanitised, links are checked again.
struct CardView {
    /// The colour of the edge.
    class: &'static str,
    /// The same in a word, for who does not see it.
    word: &'static str,
    pretext: Option<SafeHtml>,
    author: Option<Target>,
    title: Option<Target>,
    text: Option<SafeHtml>,
    fields: Vec<FieldView>,
    image: Option<Target>,
    footer: Option<String>,
    at: Option<Time>,
    actions: Vec<Target>,
}

/// A text that may lead somewhere.
struct Target {
    text: String,
    url: Option<String>,
}

struct FieldView {
    name: String,
    value: SafeHtml,
    short: bool,
}

fragments!(Cards);

impl Cards {
    /// What a message shows instead of its text, if it came by a webhook and brought cards: the Markdown above them, and them.
    pub(crate) fn of(message: &Message) -> Option<(String, Self)> {
        if message.kind != MessageKind::Webhook {
            return None;
        }
        let metadata: WebhookMetadata = serde_json::from_value(message.metadata.clone()).ok()?;
        if metadata.cards.is_empty() {
            return None;
        }
        let cards = metadata.cards.into_iter().map(CardView::new).collect();
        Some((metadata.text_md, Self { cards }))
    }
}

impl CardView {
    fn new(card: Card) -> Self {
        let (class, word) = match card.tone {
            Some(Tone::Ok) => (" ok", "Good news: "),
            Some(Tone::Bad) => (" bad", "Bad news: "),
            Some(Tone::Warn) => (" warn", "Warning: "),
            Some(Tone::Info) | None => ("", ""),
        };
        Self {
            class,
            word,
            pretext: card.pretext_md.as_deref().map(markdown),
            author: card.author.map(Target::new),
            title: card.title.map(Target::new),
            text: (!card.text_md.is_empty()).then(|| markdown(&card.text_md)),
            fields: card.fields.into_iter().map(FieldView::new).collect(),
            image: card.image.map(Target::new),
            footer: card.footer,
            at: card.at.map(Time::of),
            actions: card.actions.into_iter().map(Target::new).collect(),
        }
    }

    fn has_last_line(&self) -> bool {
        self.footer.is_some() || self.at.is_some()
    }
}

impl FieldView {
    fn new(field: Field) -> Self {
        Self { name: field.name, value: markdown(&field.value_md), short: field.short }
    }
}

impl Target {
    /// A link of a card; it leads to the web or nowhere.
    fn new(link: Link) -> Self {
        let web =
            |url: &String| ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
        Self { text: link.text, url: link.url.filter(web) }
    }
}

/// A card calls nobody: only the message's own text may.
fn markdown(text: &str) -> SafeHtml {
    to_html(text, &|_| None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::view::render;

    fn plain(body: &str) -> Message {
        let channel = fixtures::channel("ci", ajet_shared::id::CommunityId::new());
        fixtures::message(&fixtures::author("Kestrel"), &channel, 1, body)
    }

    fn drawn(metadata: &WebhookMetadata) -> Option<(String, String)> {
        let mut message = plain("as plain text");
        message.kind = MessageKind::Webhook;
        message.metadata = serde_json::to_value(metadata).unwrap();
        let (text, cards) = Cards::of(&message)?;
        Some((text, render(&cards)))
    }

    #[test]
    fn a_card_shows_its_parts_and_says_its_colour() {
        let card = Card {
            tone: Some(Tone::Bad),
            title: Some(Link { text: "#12 broke".into(), url: Some("https://ci/12".into()) }),
            text_md: "**three** tests".into(),
            fields: vec![Field { name: "Branch".into(), value_md: "`main`".into(), short: true }],
            footer: Some("Kestrel CI".into()),
            ..Card::default()
        };
        let (_, html) =
            drawn(&WebhookMetadata { cards: vec![card], ..Default::default() }).unwrap();
        assert!(html.contains(r#"class="card-ext bad""#), "{html}");
        assert!(html.contains("Bad news: "), "{html}");
        assert!(html.contains(r#"href="https://ci/12""#), "{html}");
        assert!(html.contains("<strong>three</strong>"), "{html}");
        assert!(html.contains("<code>main</code>"), "{html}");
        assert!(html.contains("Kestrel CI"), "{html}");
    }

    #[test]
    fn nothing_in_a_card_becomes_markup_or_a_script() {
        let evil = r#"<img src=x onerror=alert(1)> data-on:click="@get('/')" "#;
        let link = || Some(Link { text: evil.into(), url: Some("javascript:alert(1)".into()) });
        let card = Card {
            pretext_md: Some(evil.into()),
            author: link(),
            title: link(),
            text_md: evil.into(),
            fields: vec![Field { name: evil.into(), value_md: evil.into(), short: false }],
            actions: vec![link().unwrap()],
            image: link(),
            footer: Some(evil.into()),
            ..Card::default()
        };
        let (_, html) =
            drawn(&WebhookMetadata { cards: vec![card], ..Default::default() }).unwrap();
        let tags = html.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
        for (tag, _) in tags {
            for evil in ["img", "onerror", "data-on", "@get", "javascript:", "href"] {
                assert!(!tag.contains(evil), "<{tag}> in {html}");
            }
        }
    }

    #[test]
    fn a_message_without_cards_is_drawn_as_text() {
        assert!(drawn(&WebhookMetadata::default()).is_none());
        assert!(Cards::of(&plain("hello")).is_none());
    }
}
