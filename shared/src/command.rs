//! Slash commands on the wire: what there is, and what came of one (requirements F1).
//!
//! The api keeps the one registry; web, TUI and CLI send the text as it was typed and complete from the list they were given.

use serde::{Deserialize, Serialize};

use crate::community::Role;
use crate::id::{ChannelId, ClientMessageId, MessageId};
use crate::message::Message;

/// A command as it is listed to somebody who may use it: enough for help and completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommandInfo {
    /// Without the slash; a command with verbs is listed once per verb: `webhook create`.
    pub name: String,
    /// Its arguments, in order.
    pub arguments: Vec<Argument>,
    /// One line: what it does.
    pub summary: String,
    /// How it is written: `/topic [text]`.
    pub usage: String,
    /// Under which heading help shows it.
    pub group: CommandGroup,
    /// The lowest role that may use it at all; none for everybody.
    pub role: Option<Role>,
}

/// Headings of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CommandGroup {
    /// Writing: `/me`, `/msg`.
    Talk,
    /// Channels: `/join`, `/topic`.
    Channels,
    /// People: `/invite`, `/ban`.
    People,
    /// Machines: `/webhook`, `/token`.
    Integrations,
    /// The commands themselves.
    Help,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Argument {
    /// As usage names it.
    pub name: String,
    /// What it is: tells a client what to offer.
    pub kind: ArgumentKind,
    /// It may be left out.
    pub optional: bool,
    /// The words there are, when [`ArgumentKind::Word`] has only a few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ArgumentKind {
    /// A person, written `@name`.
    Person,
    /// A channel, written `#name`.
    Channel,
    /// One word, perhaps of a few.
    Word,
    /// A whole number.
    Number,
    /// A time span: `30m`, `2h`, `7d`.
    Duration,
    /// The id of a thing that a list shows.
    Id,
    /// The name of a command.
    Command,
    /// All that is left of the line.
    Text,
}

/// A command to run, as it was typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunCommand {
    /// Where it was typed.
    pub channel_id: ChannelId,
    /// The whole line, slash and all; 1 to 16,000 characters.
    pub text: String,
    /// Made by the client, another one for each line: makes a command that writes a message, makes something or purges safe to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMessageId>,
    /// The thread it was typed in: what the command says there stays there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<MessageId>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommandAnswer {
    /// What a client does with it.
    pub kind: AnswerKind,
    /// Markdown for the caller's eyes only; empty when there is nothing to say.
    pub body_md: String,
    /// The message that was written, for [`AnswerKind::Posted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Where to go, for [`AnswerKind::Redirect`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// The answer holds a secret that is not shown again: clients keep it until it is dismissed, and never store it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// What a client does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AnswerKind {
    /// Shows it to the caller only.
    Ephemeral,
    /// A message was written; the stream brings it.
    Posted,
    /// Opens a channel.
    Redirect,
}
