//! Slash commands: one registry, one parser, one way to run a line (requirements F1).
//!
//! A command is one entry in the list of its group's file: name, arguments, what it needs, what it does. Help, completion, the list that a
//! caller is given and `docs/commands.md` all come from it. What a command does goes through [`crate::acts`], which decides again inside
//! the transaction that acts; what an entry says it needs only chooses who is shown it.

mod answer;
mod channels;
mod help;
mod integrations;
mod parse;
mod people;
mod registry;
mod run;
mod talk;

use ajet_shared::actions::{Action, Actor, authorize};
use ajet_shared::command::{CommandAnswer, CommandInfo, RunCommand};
use ajet_shared::db::authz::{self, Access};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::nearest::closest;
use ajet_shared::problem::Problem;

use self::parse::ParseError;
use self::run::Run;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult, permit, sentence};
use crate::state::AppState;

/// Commands named to somebody who typed one that there is not.
const NEAREST: usize = 3;

/// The commands that the caller may use in a channel.
pub(crate) async fn list(
    state: &AppState,
    caller: &Caller,
    channel_id: ChannelId,
) -> ApiResult<Vec<CommandInfo>> {
    let place = place(state, caller, channel_id).await?;
    Ok(registry::usable(caller, &place).map(registry::Command::info).collect())
}

/// Runs a line as it was typed. Whatever it is, it is never posted as a message.
pub(crate) async fn run(
    state: &AppState,
    caller: &Caller,
    request: &RunCommand,
) -> ApiResult<CommandAnswer> {
    let place = place(state, caller, request.channel_id).await?;
    let (command, values) =
        parse::parse(&request.text).map_err(|error| explain(&error, caller, &place))?;
    command.check(caller, &place)?;
    let client_msg_id = request.client_msg_id.unwrap_or_else(ClientMessageId::new);
    (command.run)(&Run { state, caller, place: &place, request, client_msg_id, command, values })
        .await
}

/// Where a line was typed: a channel the caller may see. What a token may do there is the command's matter.
async fn place(state: &AppState, caller: &Caller, channel_id: ChannelId) -> ApiResult<Access> {
    let mut conn = state.db.acquire().await?;
    let access = authz::channel_access(&mut conn, caller.user_id(), channel_id)
        .await?
        .ok_or(ApiError::NotFound)?;
    let reader = Actor::User(caller.user_id());
    permit(authorize(&reader, Action::ReadChannel, &access.resource()))?;
    Ok(access)
}

/// What is wrong with a line, in one sentence, and how it is written instead.
fn explain(error: &ParseError, caller: &Caller, place: &Access) -> ApiError {
    let detail = sentence(&error.to_string());
    let problem = match error {
        ParseError::Unknown(typed) => {
            let names = registry::usable(caller, place).map(|command| command.name);
            let near: Vec<String> =
                closest(typed, names, NEAREST).into_iter().map(|name| format!("/{name}")).collect();
            Problem::new(422, "unknown-command", "There is no such command")
                .with_detail(format!("{detail} Nearest: {}.", near.join(", ")))
        }
        ParseError::Usage { command, .. } => usage(command, &detail),
        ParseError::NotACommand
        | ParseError::TooLong
        | ParseError::Nul
        | ParseError::Verb { .. } => {
            Problem::new(422, "command-usage", "The command cannot be read").with_detail(detail)
        }
    };
    problem.into()
}

fn usage(command: &registry::Command, detail: &str) -> Problem {
    Problem::new(422, "command-usage", "The command cannot be read")
        .with_detail(format!("{detail} Usage: {}", command.usage()))
}

#[cfg(test)]
mod tests;
