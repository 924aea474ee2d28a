//! The commands, explained by themselves.

use std::fmt::Write as _;

use ajet_shared::command::{ArgumentKind, CommandAnswer, CommandGroup};
use ajet_shared::community::Role;

use super::answer::told;
use super::registry::{Arg, Command, GROUPS, Needs, Place};
use super::run::Run;
use crate::error::ApiResult;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "help",
    summary: "Show the commands you may use here, or explain one",
    arguments: &[Arg::new("command", ArgumentKind::Command).optional()],
    needs: Needs::Nothing,
    scope: Place::Anywhere,
    run: |run| Box::pin(async move { help(run) }),
}];

fn help(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let Some(typed) = run.text("command") else { return told(overview(run)) };
    let name = typed.trim_start_matches('/').to_lowercase();
    let begins = |command: &&Command| {
        command.name == name
            || command.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with(' '))
    };
    let found: Vec<String> = usable(run).filter(begins).map(explain).collect();
    if found.is_empty() {
        return Err(run.refuse("You have no such command here."));
    }
    told(found.join("\n\n"))
}

fn usable<'a>(run: &'a Run<'_>) -> impl Iterator<Item = &'static Command> + 'a {
    super::registry::usable(run.caller, run.place)
}

fn overview(run: &Run<'_>) -> String {
    let mut text = String::new();
    for (group, commands) in GROUPS {
        let mine: Vec<&Command> = commands
            .iter()
            .filter(|command| command.check(run.caller, run.place).is_ok())
            .collect();
        if mine.is_empty() {
            continue;
        }
        let _ = write!(text, "**{}**\n\n", title(*group));
        for command in mine {
            let _ = writeln!(text, "- `{}` {}", command.usage(), command.summary);
        }
        text.push('\n');
    }
    text.push_str(
        "`/help <command>` explains one. A message that shall begin with a slash begins with two.",
    );
    text
}

/// The heading of a group.
pub(super) const fn title(group: CommandGroup) -> &'static str {
    match group {
        CommandGroup::Talk => "Talk",
        CommandGroup::Channels => "Channels",
        CommandGroup::People => "People",
        CommandGroup::Integrations => "Integrations",
        CommandGroup::Help => "Help",
    }
}

fn explain(command: &Command) -> String {
    let mut text = format!("`{}`\n\n{}.", command.usage(), command.summary);
    match command.lowest_role() {
        Some(Role::Admin) => text.push_str(" For admins and owners."),
        Some(Role::Owner) => text.push_str(" For owners."),
        _ => {}
    }
    for argument in command.arguments {
        let optional = if argument.optional { ", may be left out" } else { "" };
        let _ = write!(text, "\n- {}: {}{optional}", argument.name, meaning(argument));
    }
    text
}

fn meaning(argument: &Arg) -> String {
    if !argument.choices.is_empty() {
        return argument.choices.join(" or ");
    }
    match argument.kind {
        ArgumentKind::Person => "somebody of this community, `@name`",
        ArgumentKind::Channel => "a channel, `#name`",
        ArgumentKind::Word => "one word; in \"quotes\" it may have spaces",
        ArgumentKind::Number => "a whole number",
        ArgumentKind::Duration => "a time like `30m`, `2h` or `7d`",
        ArgumentKind::Id => "an id that the list shows",
        ArgumentKind::Command => "the name of a command",
        ArgumentKind::Text => "the rest of the line",
    }
    .to_owned()
}
