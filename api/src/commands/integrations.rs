//! Commands about machines: webhooks, and the tokens of bots.

use std::fmt::Write as _;

use ajet_shared::actions::{Action, Scope};
use ajet_shared::api_token::CreateToken;
use ajet_shared::command::{ArgumentKind, CommandAnswer};
use ajet_shared::db::channels;
use ajet_shared::id::{ApiTokenId, WebhookId};
use ajet_shared::webhook::CreateWebhook;

use super::answer::{hash, told, told_secret};
use super::registry::{Arg, Command, Needs, Place};
use super::run::Run;
use crate::acts::{tokens, webhooks};
use crate::error::{ApiResult, sentence};
use crate::words::{literal, moment};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "webhook create",
        summary: "Make an address at which another system posts into a channel",
        arguments: &[Arg::channel("channel"), Arg::text("name")],
        needs: Needs::AnySignedIn(&[Action::ManageWebhooks]),
        scope: Place::Community,
        run: |run| Box::pin(create_webhook(run)),
    },
    Command {
        name: "webhook list",
        summary: "Show the webhooks of this community",
        arguments: &[],
        needs: Needs::Any(&[Action::ManageWebhooks]),
        scope: Place::Community,
        run: |run| Box::pin(list_webhooks(run)),
    },
    Command {
        name: "webhook revoke",
        summary: "End a webhook: what is sent to its address is refused",
        arguments: &[Arg::new("id", ArgumentKind::Id)],
        needs: Needs::Any(&[Action::ManageWebhooks]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let id = WebhookId::from(run.the_id("id")?);
                webhooks::revoke(run.state, run.caller, run.community()?, id).await?;
                told("The webhook is revoked: its address takes nothing any more.")
            })
        },
    },
    Command {
        name: "token create",
        summary: "Make a token for a bot; it reads and writes messages unless scopes are named",
        arguments: &[Arg::word("name"), Arg::text("scopes").optional()],
        needs: Needs::AnySignedIn(&[Action::ManageTokens]),
        scope: Place::Community,
        run: |run| Box::pin(create_token(run)),
    },
    Command {
        name: "token list",
        summary: "Show the tokens of this community's bots",
        arguments: &[],
        needs: Needs::Any(&[Action::ManageTokens]),
        scope: Place::Community,
        run: |run| Box::pin(list_tokens(run)),
    },
    Command {
        name: "token revoke",
        summary: "End a token of a bot at once",
        arguments: &[Arg::new("id", ArgumentKind::Id)],
        needs: Needs::Any(&[Action::ManageTokens]),
        scope: Place::Community,
        run: |run| {
            Box::pin(async move {
                let id = ApiTokenId::from(run.the_id("id")?);
                tokens::revoke(run.state, run.caller, run.community()?, id).await?;
                told("The token is revoked: nothing can be done with it any more.")
            })
        },
    },
];

async fn create_webhook(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let channel = run.the_channel("channel").await?;
    let request = CreateWebhook {
        channel_id: channel.id,
        name: run.the_text("name")?.trim_matches('"').to_owned(),
        signing_secret: None,
        allow_broadcast: false,
    };
    let (community_id, prepared) = (run.community()?, webhooks::prepare(&request).await?);
    let mut tx = run.state.db.begin().await?;
    if let Some(answer) = run.answered(&mut tx).await? {
        return Ok(answer);
    }
    let created =
        webhooks::create_in(&mut tx, run.state, run.caller, community_id, &prepared).await?;
    let answer = told_secret(format!(
        "The webhook {} posts to {}. Copy its address now: it holds the secret and is not shown again.\n\n{}",
        literal(&created.webhook.name),
        hash(&channel),
        literal(&created.url)
    ))?;
    run.keep(&mut tx, &answer).await?;
    run.state.commit(tx).await?;
    Ok(answer)
}

async fn list_webhooks(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let webhooks = webhooks::list(run.state, run.caller, run.community()?).await?;
    if webhooks.is_empty() {
        return told("There is no webhook here. Make one: `/webhook create #channel <name>`");
    }
    let mut conn = run.state.db.acquire().await?;
    let mut text = String::new();
    for webhook in webhooks {
        // Only webhooks of channels that the caller may see are listed (A97).
        let channel = channels::find(&mut conn, webhook.channel_id).await?;
        let place = channel.as_ref().map(hash).unwrap_or_default();
        let used = webhook
            .last_used_at
            .map_or("never used".to_owned(), |at| format!("last used {}", moment(at)));
        let (name, id) = (literal(&webhook.name), webhook.id);
        let _ = writeln!(text, "- {name} posts to {place}, {used}, id `{id}`");
    }
    told(text.trim_end())
}

async fn create_token(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let scopes = run.text("scopes").unwrap_or_default();
    let scopes = scopes
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|scope| !scope.is_empty())
        .map(str::parse::<Scope>)
        .collect::<Result<Vec<Scope>, _>>()
        .map_err(|error| run.refuse(&sentence(&error.to_string())))?;
    let request =
        CreateToken { name: run.the_text("name")?.to_owned(), scopes, expires_in_days: None };
    let (community_id, prepared) = (run.community()?, tokens::prepare(&request).await?);
    let mut tx = run.state.db.begin().await?;
    if let Some(answer) = run.answered(&mut tx).await? {
        return Ok(answer);
    }
    let created = tokens::create_in(&mut tx, run.caller, community_id, &prepared).await?;
    let answer = told_secret(format!(
        "The token {} acts as @{} until {}. Copy it now: it is not shown again.\n\n{}",
        literal(&created.token.name),
        created.token.user.username,
        moment(created.token.expires_at),
        literal(&created.secret)
    ))?;
    run.keep(&mut tx, &answer).await?;
    run.state.commit(tx).await?;
    Ok(answer)
}

async fn list_tokens(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let tokens = tokens::list(run.state, run.caller, run.community()?).await?;
    if tokens.is_empty() {
        return told("There is no token here. Make one: `/token create <name> [scopes]`");
    }
    let mut text = String::new();
    for token in tokens {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let _ = writeln!(
            text,
            "- {} acts as @{}: {}, until {}, id `{}`",
            literal(&token.name),
            token.user.username,
            scopes.join(" "),
            moment(token.expires_at),
            token.id
        );
    }
    told(text.trim_end())
}
