//! The keys in words: the help, and the hints of the status row.

use super::model::{Mode, Model, Pane, Zone};
use super::overlay::Overlay;
use super::timeline::RowKey;

/// A key and what it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) key: &'static str,
    pub(crate) does: &'static str,
}

const fn hint(key: &'static str, does: &'static str) -> Hint {
    Hint { key, does }
}

/// All keys, in groups.
pub(crate) const HELP: &[(&str, &[Hint])] = &[
    (
        "EVERYWHERE",
        &[
            hint("Ctrl-K", "jump, search or run"),
            hint("Alt-↑ Alt-↓", "previous, next channel"),
            hint("Alt-n Alt-p", "next, previous unread (also Alt-PgDn, Alt-PgUp)"),
            hint("Alt-1 … Alt-9", "community"),
            hint("Ctrl-B", "show or hide the list"),
            hint("Ctrl-T", "thread pane"),
            hint("Ctrl-N", "activity"),
            hint("Ctrl-R", "connect now"),
            hint("Ctrl-L", "draw again"),
            hint("Ctrl-Z", "to the shell; fg returns"),
            hint("Ctrl-C", "empty the box; twice: quit"),
            hint("Ctrl-Q", "quit"),
            hint("F1", "this help"),
        ],
    ),
    (
        "WRITING (INS)",
        &[
            hint("Enter", "send"),
            hint("Alt-Enter Ctrl-J", "new line"),
            hint("↑", "in an empty box: edit my last message"),
            hint("/ @ # :", "command, person, channel, emoji; Tab takes, Tab again goes on"),
            hint("Ctrl-A E W U K Y", "start, end, cut word, cut to start, cut to end, put back"),
            hint("Alt-B Alt-F Alt-D", "word back, word on, cut word on"),
            hint("Ctrl-O", "write in your editor ($VISUAL, $EDITOR)"),
            hint("PgUp PgDn", "scroll the messages"),
            hint("Esc", "to the messages"),
            hint("Esc Esc", "to the newest message"),
        ],
    ),
    (
        "MESSAGES (MSG)",
        &[
            hint("j k ↓ ↑", "next, previous message"),
            hint("g g  G", "oldest loaded, newest"),
            hint("Ctrl-D Ctrl-U", "half a page (PgDn, PgUp a page)"),
            hint("n N", "next, previous unread; with a search: hit"),
            hint("Enter r", "open the thread, answer in it"),
            hint("+", "react, or take it back"),
            hint("e  d d", "edit mine, delete mine"),
            hint("> ", "quote into the box"),
            hint("y Y", "copy the link, the text"),
            hint("o", "open the link"),
            hint("/", "search in what is loaded"),
            hint("Space", "unfold a long message"),
            hint("h l ← → Tab", "to the zone left, right, next"),
            hint("t", "thread pane"),
            hint(":", "run a command"),
            hint("i a", "write"),
            hint("Esc", "one step back"),
        ],
    ),
    (
        "LIST (LST)",
        &[
            hint("j k ↓ ↑", "move"),
            hint("Enter l →", "open"),
            hint("z a", "fold the section"),
            hint("J K", "next, previous unread"),
            hint("x", "leave the channel (asks)"),
            hint("c", "create a channel"),
            hint("/", "filter"),
            hint("Esc", "back"),
        ],
    ),
    (
        "ACTIVITY",
        &[
            hint("j k", "move"),
            hint("Enter", "open"),
            hint("x  X", "mark read, mark all read"),
            hint("Esc", "close"),
        ],
    ),
];

/// What fits the moment, most useful first; the view shows as many as there is room for, and `? help` (or `F1 help`) always.
pub(crate) fn hints(model: &Model) -> Vec<Hint> {
    if let Some(prefix) = model.prefix {
        return continuations(prefix);
    }
    match &model.overlay {
        Some(overlay) => overlay_hints(overlay),
        None => match (model.mode, model.focus, &model.pane) {
            (Mode::List, ..) => vec![
                hint("j/k", "move"),
                hint("Enter", "open"),
                hint("/", "filter"),
                hint("J/K", "unread"),
                hint("za", "fold"),
                hint("Esc", "back"),
                hint("^K", "jump"),
            ],
            (Mode::Message, Zone::Pane, Some(Pane::Activity)) => vec![
                hint("j/k", "move"),
                hint("Enter", "open"),
                hint("x", "read"),
                hint("X", "all read"),
                hint("Esc", "close"),
                hint("^K", "jump"),
            ],
            (Mode::Message, ..) => message_hints(model),
            (Mode::Insert, focus, _) => insert_hints(model, focus),
        },
    }
}

/// The key of the help, which always has room: `?` cannot be one while letters are written.
pub(crate) fn help_hint(model: &Model) -> Hint {
    if model.mode == Mode::Insert && model.overlay.is_none() {
        hint("F1", "help")
    } else {
        hint("?", "help")
    }
}

fn continuations(prefix: char) -> Vec<Hint> {
    match prefix {
        'g' => vec![hint("g", "oldest loaded"), hint("Esc", "nothing")],
        'd' => vec![hint("d", "delete"), hint("Esc", "nothing")],
        'z' => vec![hint("a", "fold or unfold"), hint("Esc", "nothing")],
        _ => vec![hint("Ctrl-E", "your editor"), hint("Esc", "nothing")],
    }
}

fn overlay_hints(overlay: &Overlay) -> Vec<Hint> {
    match overlay {
        Overlay::Palette(_) => vec![hint("↑/↓", "move"), hint("Enter", "go"), hint("Esc", "close")],
        Overlay::Help { .. } => vec![hint("j/k", "scroll"), hint("Esc", "close")],
        Overlay::Confirm { .. } => vec![hint("y", "yes"), hint("n", "no")],
        Overlay::Reactions(_) | Overlay::Search { .. } => {
            vec![hint("Enter", "go"), hint("Esc", "close")]
        }
        Overlay::List => vec![hint("j/k", "move"), hint("Enter", "open"), hint("Esc", "close")],
    }
}

fn message_hints(model: &Model) -> Vec<Hint> {
    let selected = match model.focus {
        Zone::Pane => model.thread().and_then(|thread| thread.timeline.selected),
        _ => model.open.as_ref().and_then(|open| open.timeline.selected),
    };
    match selected {
        Some(RowKey::Outgoing(_)) => vec![
            hint("Enter", "try again"),
            hint("d", "delete"),
            hint("j/k", "move"),
            hint("i", "write"),
            hint("^K", "jump"),
        ],
        Some(RowKey::Note(_)) => {
            vec![
                hint("x", "take away"),
                hint("Y", "copy"),
                hint("j/k", "move"),
                hint("i", "write"),
                hint("^K", "jump"),
            ]
        }
        _ => vec![
            hint("j/k", "move"),
            hint("r", "reply"),
            hint("+", "react"),
            hint("e", "edit"),
            hint("y", "link"),
            hint("i", "write"),
            hint("^K", "jump"),
            hint("/", "search"),
            hint("o", "open"),
            hint("dd", "delete"),
        ],
    }
}

fn insert_hints(model: &Model, focus: Zone) -> Vec<Hint> {
    let composer = match focus {
        Zone::Pane => model.thread().map(|thread| &thread.composer),
        _ => model.open.as_ref().map(|open| &open.composer),
    };
    let Some(composer) = composer else { return vec![hint("^K", "jump"), hint("^Q", "quit")] };
    if composer.popup.is_some() {
        return vec![hint("Tab", "takes it"), hint("↑/↓", "choose"), hint("Esc", "no")];
    }
    if composer.editing.is_some() {
        return vec![
            hint("Enter", "save"),
            hint("Alt-Enter", "new line"),
            hint("Esc", "leave it as it was"),
        ];
    }
    let mut hints = vec![hint("Enter", "send"), hint("Alt-Enter", "new line")];
    hints.push(if focus == Zone::Pane {
        hint("Esc", "back to thread")
    } else {
        hint("Esc", "messages")
    });
    hints.push(hint("^K", "jump"));
    if composer.is_empty() {
        hints.push(hint("↑", "edit last"));
    }
    hints.push(hint("Alt-n", "next unread"));
    hints.push(hint("/", "commands"));
    hints
}
