//! The full-screen interface: `ajet-chat tui`, or `ajet-chat` alone (design/tui.md).
//!
//! One loop (`run`) takes what happens ([`event::Event`]), gives it to `update`, which changes the [`model::Model`] and says what is to
//! be done ([`event::Effect`]), and lets `view` draw. Only `run`, `effects`, `live`, `disk`, `writer` and `terminal_guard` do IO.

mod completion;
mod composer;
mod disk;
mod drawn;
mod effects;
mod event;
mod keys;
mod list;
mod live;
mod model;
mod outbox;
mod overlay;
mod palette;
mod places;
mod run;
mod signals;
mod terminal_guard;
mod theme;
mod timeline;
mod update;
mod view;
mod writer;

pub(crate) use run::{Start, run};
