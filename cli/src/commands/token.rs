//! `token …`.

use std::time::Duration;

use ajet_shared::actions::Scope;
use ajet_shared::api_token::{ApiToken, CreateToken, LIFE_MAX_DAYS};
use ajet_shared::terminal::terminal_line;

use super::message::confirm;
use super::named::{find, short};
use crate::args;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::messages::{day, rfc3339, when};
use crate::nearest::nearest;
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};

const TOKEN: Schema = Schema {
    fields: &[
        ("id", "the token's id"),
        ("name", "what it is for"),
        ("username", "handle of the bot or person it acts as"),
        ("user_id", "their id"),
        ("kind", "bot, or human for a personal one"),
        ("scopes", "what it may be used for"),
        ("prefix", "its first characters"),
        ("created_at", "when it was made"),
        ("expires_at", "when it ends"),
        ("last_used_at", "when it was used last, to ten minutes"),
        ("secret", "the token itself; null except when it is made"),
    ],
    plain: &["id", "name", "username", "scopes", "expires_at", "last_used_at"],
    extras: &[],
};

/// One that was just made: whoever redirects it wants the secret and nothing else.
const MADE: Schema = Schema { plain: &["secret"], ..TOKEN };

const SECONDS_A_DAY: u64 = 86_400;

pub(super) async fn run(context: &Context, verb: args::Token) -> CliResult {
    match verb {
        args::Token::Create { name, scopes, expires, personal } => {
            let output = context.output(&MADE)?;
            let new = CreateToken {
                name,
                scopes: parse_scopes(&scopes)?,
                expires_in_days: Some(days(expires)?),
            };
            let client = context.client().await?;
            let created = if personal {
                context.call(client.create_my_token(&new)).await?
            } else {
                let community = context.community().await?.community.id;
                context.call(client.create_token(community, &new)).await?
            };
            let token = &created.token;
            let ends = day(token.expires_at);
            context.screen.done(&format!(
                "Token {} acts as @{} until {ends}",
                token.name, token.user.username
            ));
            context.screen.warn("Copy the token now. It is a secret and not shown again.");
            let record = record(token, Some(&created.secret));
            output.one(&record, || format!("{}\n", terminal_line(&created.secret)))
        }
        args::Token::List { personal } => list(context, personal).await,
        args::Token::Revoke { token, personal, yes } => {
            revoke(context, &token, personal, yes).await
        }
    }
}

fn record(token: &ApiToken, secret: Option<&str>) -> Record {
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    Record::default()
        .with("id", token.id.to_string())
        .with("name", token.name.clone())
        .with("username", token.user.username.clone())
        .with("user_id", token.user.id.to_string())
        .with("kind", serde_json::json!(token.user.kind))
        .with("scopes", scopes)
        .with("prefix", token.prefix.clone())
        .with("created_at", rfc3339(token.created_at))
        .with("expires_at", rfc3339(token.expires_at))
        .with("last_used_at", token.last_used_at.map(rfc3339))
        .with("secret", secret.map(str::to_owned))
}

fn parse_scopes(typed: &[String]) -> CliResult<Vec<Scope>> {
    let parse = |text: &String| {
        let text = text.trim();
        text.parse::<Scope>().map_err(|_| {
            let known = Scope::ALL.iter().map(|scope| scope.as_str());
            let near = nearest(text, known.clone());
            let advice = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            CliError::usage(format!("Unknown scope \"{text}\".{advice}"))
                .hint(format!("Scopes: {}", known.collect::<Vec<_>>().join(" ")))
        })
    };
    typed.iter().map(parse).collect()
}

/// Whole days, counting a begun one.
fn days(life: Duration) -> CliResult<i64> {
    let days = i64::try_from(life.as_secs().div_ceil(SECONDS_A_DAY)).unwrap_or(i64::MAX);
    if days > LIFE_MAX_DAYS {
        return Err(CliError::usage(format!("A token lasts at most {LIFE_MAX_DAYS} days."))
            .hint("For example: --expires 90d"));
    }
    Ok(days)
}

async fn all(context: &Context, personal: bool) -> CliResult<Vec<ApiToken>> {
    let client = context.client().await?;
    let page = if personal {
        context.call(client.my_tokens()).await?
    } else {
        context.call(client.tokens(context.community().await?.community.id)).await?
    };
    Ok(page.items)
}

async fn list(context: &Context, personal: bool) -> CliResult {
    let output = context.output(&TOKEN)?;
    let tokens = all(context, personal).await?;
    let records: Vec<Record> = tokens.iter().map(|token| record(token, None)).collect();
    output.list(&records, || {
        if tokens.is_empty() {
            let flag = if personal { " --personal" } else { "" };
            return format!(
                "There is no token yet. Make one: ajet-chat token create NAME --scope messages:write{flag}\n"
            );
        }
        let head = [
            Column { title: "ID", right: false },
            Column { title: "NAME", right: false },
            Column { title: "ACTS AS", right: false },
            Column { title: "ENDS", right: false },
            Column { title: "LAST USED", right: false },
            Column { title: "SCOPES", right: false },
        ];
        table(context.screen.paint, &head, &tokens.iter().map(row).collect::<Vec<_>>())
    })
}

fn row(token: &ApiToken) -> Vec<Cell> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    vec![
        Cell::looking(short(token.id.uuid()), Paint::dim),
        Cell::looking(&token.name, Paint::bold),
        Cell::new(format!("@{}", token.user.username)),
        Cell::new(day(token.expires_at)),
        Cell::looking(token.last_used_at.map_or_else(|| "never".to_owned(), when), Paint::dim),
        Cell::new(scopes.join(" ")),
    ]
}

async fn revoke(context: &Context, typed: &str, personal: bool, yes: bool) -> CliResult {
    let output = context.output(&TOKEN)?;
    let tokens = all(context, personal).await?;
    let noun = if personal {
        ("token of yours", "ajet-chat token list --personal")
    } else {
        ("token", "ajet-chat token list")
    };
    let token = find(&tokens, typed, noun, |token| (token.id.uuid(), Some(&token.name)))?;
    if !yes {
        confirm(context, &format!("End the token {}? What uses it stops working.", token.name))?;
    }
    let client = context.client().await?;
    if personal {
        context.call(client.revoke_my_token(token.id)).await?;
    } else {
        let community = context.community().await?.community.id;
        context.call(client.revoke_token(community, token.id)).await?;
    }
    context.screen.done(&format!("Token {} is ended", token.name));
    if output.is_human() { Ok(()) } else { output.one(&record(token, None), String::new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_or_refused() {
        let parse = |typed: &[&str]| {
            parse_scopes(&typed.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            parse(&["messages:read", " admin"]).unwrap(),
            [Scope::MessagesRead, Scope::Admin]
        );
        assert_eq!(parse(&["everything"]).unwrap_err().message(), "Unknown scope \"everything\".");
        assert_eq!(
            parse(&["message:read"]).unwrap_err().message(),
            "Unknown scope \"message:read\". Did you mean messages:read?"
        );
    }

    #[test]
    fn lives_are_whole_days() {
        let hours = |hours| days(Duration::from_hours(hours)).ok();
        assert_eq!(hours(1), Some(1));
        assert_eq!(hours(24), Some(1));
        assert_eq!(hours(25), Some(2));
        assert_eq!(hours(365 * 24), Some(365));
        assert_eq!(hours(365 * 24 + 1), None);
    }
}
