//! What a delivery says, and the same as plain Markdown.

use ajet_shared::webhook::{Card, Field, Link};

use super::Refusal;
use super::escape::{escape, link};

/// Cards of one message. Source: `ajet_shared::webhook::WebhookMetadata`.
pub(super) const CARDS_MAX: usize = 20;

/// What is posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Markdown above the cards.
    pub(crate) text_md: String,
    /// The cards, at most 20.
    pub(crate) cards: Vec<Card>,
    /// The name this message wants to carry: one line of plain text, not checked any further.
    pub(crate) name: Option<String>,
    /// One emoji in place of the avatar.
    pub(crate) icon_emoji: Option<String>,
    /// Everything as plain Markdown; never empty, and as long as the body made it.
    pub(crate) fallback_md: String,
}

impl Said {
    /// Text and cards, if there is anything in them. Of more than 20 cards the first 20 are drawn and all are in the fallback.
    pub(super) fn new(text_md: &str, mut cards: Vec<Card>) -> Result<Self, Refusal> {
        let text_md = text_md.trim().to_owned();
        cards.retain(|card| !markdown(card).is_empty());
        let parts = std::iter::once(text_md.clone()).chain(cards.iter().map(markdown));
        let fallback_md =
            parts.filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join("\n\n");
        if fallback_md.is_empty() {
            return Err(Refusal::NoText);
        }
        let all = cards.len();
        if all > CARDS_MAX {
            cards.truncate(CARDS_MAX);
            let last = &mut cards[CARDS_MAX - 1];
            last.footer = Some(format!("and {} more", all - CARDS_MAX));
        }
        Ok(Self { text_md, cards, fallback_md, ..Self::default() })
    }

    /// One card.
    pub(super) fn card(card: Card) -> Result<Self, Refusal> {
        Self::new("", vec![card])
    }

    /// One line of Markdown.
    pub(super) fn line(text_md: &str) -> Result<Self, Refusal> {
        Self::new(text_md, Vec::new())
    }
}

/// A card as plain Markdown.
fn markdown(card: &Card) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(card.pretext_md.clone());
    parts.extend(card.author.as_ref().map(linked));
    parts.extend(card.title.as_ref().map(|title| format!("**{}**", linked(title))));
    parts.push(card.text_md.clone());
    parts.push(card.fields.iter().map(field).collect::<Vec<_>>().join("\n"));
    parts.push(card.actions.iter().map(linked).collect::<Vec<_>>().join(" · "));
    parts.extend(card.image.as_ref().map(linked));
    parts.extend(card.footer.as_deref().map(escape));
    parts.retain(|part| !part.trim().is_empty());
    // A blank line ends a list, a quote or a fence; what is one line each may follow closely.
    let mut all = String::new();
    for part in parts {
        if !all.is_empty() {
            let close = !all.contains('\n') && !part.contains('\n');
            all.push_str(if close { "\n" } else { "\n\n" });
        }
        all.push_str(&part);
    }
    all
}

fn field(field: &Field) -> String {
    match field.name.as_str() {
        "" => field.value_md.clone(),
        name if field.value_md.contains('\n') => {
            format!("**{}**\n{}", escape(name), field.value_md)
        }
        name => format!("**{}**: {}", escape(name), field.value_md),
    }
}

fn linked(to: &Link) -> String {
    link(&to.text, to.url.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reads_well_without_being_drawn() {
        let card = Card {
            author: Some(Link { text: "mara".to_owned(), url: None }),
            title: Some(Link { text: "#7 *x*".to_owned(), url: Some("https://a.b/7".to_owned()) }),
            text_md: "- one\n- two".to_owned(),
            fields: vec![Field {
                name: "Base".to_owned(),
                value_md: "`main`".to_owned(),
                short: true,
            }],
            footer: Some("kestrel".to_owned()),
            ..Card::default()
        };
        assert_eq!(
            Said::card(card).unwrap().fallback_md,
            "mara\n**[#7 \\*x\\*](https://a.b/7)**\n\n- one\n- two\n\n**Base**: `main`\n\nkestrel"
        );
        assert_eq!(Said::card(Card::default()), Err(Refusal::NoText));
        assert_eq!(Said::line(" \n"), Err(Refusal::NoText));
    }

    #[test]
    fn of_many_cards_twenty_are_drawn_and_all_are_said() {
        let card = |n: usize| Card { text_md: format!("number {n}"), ..Card::default() };
        let said = Said::new("", (0..50).map(card).collect()).unwrap();
        assert_eq!(said.cards.len(), CARDS_MAX);
        assert_eq!(said.cards[19].footer.as_deref(), Some("and 30 more"));
        assert!(said.fallback_md.contains("number 49"));
    }
}
