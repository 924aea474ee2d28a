//! What stands in the rows of a page: as much of Datastar as keeps text, marks and reactions up to date.

use std::collections::BTreeMap;

use ajet_shared::id::MessageId;

/// What a deleted message says.
pub(crate) const DELETED: &str = "This message was deleted.";

/// A row of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What it says, without markup.
    pub text: String,
    /// Whether it says that it was edited.
    pub edited: bool,
    /// Reactions in their order, with their numbers: `👍 2`.
    pub reactions: Vec<String>,
    /// What it says of its thread: `2 replies`.
    pub thread: String,
}

impl Row {
    /// Every row of some markup.
    pub fn all_in(markup: &str) -> impl Iterator<Item = (MessageId, Self)> {
        markup.split(" id=\"message-").skip(1).filter_map(|rest| {
            let id = rest.split('"').next()?.parse().ok()?;
            let row = Self {
                text: text_in(rest).unwrap_or_default(),
                edited: rest.contains("class=\"msg-edited\""),
                reactions: reactions_in(rest),
                thread: thread_in(rest).unwrap_or_default(),
            };
            Some((id, row))
        })
    }
}

/// The rows of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<MessageId, Row>);

impl FromIterator<(MessageId, Row)> for Rows {
    fn from_iter<T: IntoIterator<Item = (MessageId, Row)>>(rows: T) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl Rows {
    /// One of them.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Row> {
        self.0.get(&id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (MessageId, &Row)> {
        self.0.iter().map(|(id, row)| (*id, row))
    }

    /// Takes in a patch. True if it was about what stands in a row, and so not about the list.
    pub(crate) fn patch(
        &mut self,
        mode: Option<&str>,
        selector: Option<&str>,
        markup: &str,
    ) -> bool {
        let Some(selector) = selector else { return self.replace(markup) };
        if (mode, selector) == (Some("inner"), "#messages") {
            self.0 = Row::all_in(markup).collect();
            return false;
        }
        if let Some(id) = selector.strip_prefix("#thread-summary-") {
            return self.change(id, |row| row.thread.clear());
        }
        let Some(rest) = selector.split_once("#message-").map(|(_, rest)| rest) else {
            // New rows are the list's affair as well.
            self.0.extend(Row::all_in(markup));
            return false;
        };
        let id = rest.split([',', ' ', '.', ')']).next().unwrap_or(rest);
        let part = rest.strip_prefix(id).unwrap_or_default();
        match mode {
            Some("remove") if part.ends_with(".msg-edited") => {
                self.change(id, |row| row.edited = false)
            }
            Some("outer") if part.ends_with(".msg-body") => {
                self.change(id, |row| row.text = text_in(markup).unwrap_or_default())
            }
            Some("append" | "after") if markup.contains("class=\"msg-edited\"") => {
                self.change(id, |row| row.edited = true)
            }
            Some("append") if part.contains(".thread-link") => {
                self.change(id, |row| row.thread = thread_in(markup).unwrap_or_default())
            }
            _ => false,
        }
    }

    /// Elements that take the place of those with their ids.
    fn replace(&mut self, markup: &str) -> bool {
        let named = |before: &str| markup.split_once(before)?.1.split('"').next();
        if let Some(id) = named(" id=\"reactions-") {
            return self.change(id, |row| row.reactions = reactions_in(markup));
        }
        if let Some(id) = named(" id=\"thread-summary-") {
            return self.change(id, |row| row.thread = thread_in(markup).unwrap_or_default());
        }
        // Of one button, the reader's own: an id of a message, and the numbers of its emoji.
        if let Some(id) = named(" id=\"r-").and_then(|name| name.get(..36)) {
            return self.change(id, |row| {
                for new in reactions_in(markup) {
                    let emoji = new.split(' ').next().unwrap_or_default();
                    let is_it = |old: &&mut String| old.split(' ').next() == Some(emoji);
                    if let Some(old) = row.reactions.iter_mut().find(is_it) {
                        *old = new;
                    }
                }
            });
        }
        false
    }

    /// A row that is not there is changed by nothing, as in a page.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Row)) -> bool {
        if let Some(row) = id.parse().ok().and_then(|id: MessageId| self.0.get_mut(&id)) {
            change(row);
        }
        true
    }
}

/// The text of the first body in some markup.
fn text_in(markup: &str) -> Option<String> {
    let body = markup.split_once("class=\"msg-body\">")?.1;
    if body.starts_with(&format!("<p class=\"dim\">{DELETED}")) {
        return Some(DELETED.to_owned());
    }
    let prose = body.split_once("<div class=\"prose\" data-ignore>")?.1.split("</div>").next()?;
    Some(without_tags(prose))
}

fn without_tags(markup: &str) -> String {
    let mut text = String::new();
    for piece in markup.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
    }
    text.trim().to_owned()
}

/// What the buttons of the reactions say, but for the one that adds another.
fn reactions_in(markup: &str) -> Vec<String> {
    let buttons = markup.split("<button class=\"react\"").skip(1);
    let named = buttons.filter(|button| button.contains(" id=\""));
    let labels = named.filter_map(|button| button.split_once("aria-label=\"")?.1.split('"').next());
    labels.map(str::to_owned).collect()
}

fn thread_in(markup: &str) -> Option<String> {
    let link = markup.split_once("class=\"thread-link\"")?.1;
    Some(without_tags(link.split_once("<b>")?.1.split("</b>").next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: MessageId, text: &str) -> String {
        format!(
            "<li class=\"msg cont\" id=\"message-{id}\"><div class=\"msg-main\"><div class=\"msg-body\"><div class=\"prose\" data-ignore><p>{text}</p></div></div><ul class=\"reactions\" id=\"reactions-{id}\"></ul></div></li>"
        )
    }

    fn button(id: MessageId, label: &str) -> String {
        format!(
            "<button class=\"react\" type=\"button\" id=\"r-{id}-1f6a2\" aria-pressed=\"false\" aria-label=\"{label}\">"
        )
    }

    #[test]
    fn rows_are_kept_up_to_date() {
        let (one, two) = (MessageId::new(), MessageId::new());
        let mut rows: Rows =
            Row::all_in(&(row(one, "first") + &row(two, "<b>second</b>"))).collect();
        assert_eq!(rows.get(two).map(|row| row.text.as_str()), Some("second"));
        let select = |part: &str| format!(":is(#message-{one},#root-message-{one}) {part}");
        let body =
            "<div class=\"msg-body\"><div class=\"prose\" data-ignore><p>changed</p></div></div>";
        let mark = "<span class=\"msg-edited\" title=\"Edited\">edited</span>";
        assert!(rows.patch(Some("outer"), Some(&select(".msg-body")), body));
        let under = format!(
            ":is(#message-{one},#root-message-{one}).cont:not(:has(.msg-edited)) .msg-body"
        );
        assert!(rows.patch(Some("after"), Some(&under), mark));
        let more = "<button class=\"react\" type=\"button\" aria-label=\"Add reaction\">";
        let reactions =
            format!("<ul class=\"reactions\" id=\"reactions-{one}\">{}{more}", button(one, "🚢 2"));
        assert!(rows.patch(None, None, &reactions));
        assert!(rows.patch(None, None, &button(one, "🚢 3")));
        let thread =
            format!("<a class=\"thread-link\" id=\"thread-summary-{one}\"><b>2 replies</b></a>");
        assert!(rows.patch(None, None, &thread));
        let changed = Row {
            text: "changed".into(),
            edited: true,
            reactions: vec!["🚢 3".into()],
            thread: "2 replies".into(),
        };
        assert_eq!(rows.get(one), Some(&changed));
        let deleted =
            "<div class=\"msg-body\"><p class=\"dim\">This message was deleted.</p></div>";
        rows.patch(Some("outer"), Some(&select(".msg-body")), deleted);
        rows.patch(Some("remove"), Some(&select(".msg-edited")), "");
        rows.patch(Some("remove"), Some(&format!("#thread-summary-{one}")), "");
        rows.patch(None, None, &format!("<ul class=\"reactions\" id=\"reactions-{one}\"></ul>"));
        assert_eq!(rows.get(one), Some(&Row { text: DELETED.into(), ..Row::default() }));
        assert_eq!(rows.get(two).map(|row| row.text.as_str()), Some("second"), "left alone");
    }

    #[test]
    fn a_new_row_is_the_lists_affair_too() {
        let (mut rows, one) = (Rows::default(), MessageId::new());
        assert!(!rows.patch(Some("append"), Some("#messages"), &row(one, "new")));
        assert_eq!(rows.get(one).map(|row| row.text.as_str()), Some("new"));
    }
}
