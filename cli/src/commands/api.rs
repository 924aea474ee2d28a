//! `api`: any call, signed in as the user.

use std::io::Read;

use ajet_shared::client::{Answer, Call, HeaderName, HeaderValue, Method};
use ajet_shared::terminal::terminal_safe;
use serde_json::{Map, Value};

use crate::args::Api;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::output::print;

pub(super) async fn call(context: &Context, args: &Api) -> CliResult {
    let mut call = Call::new(method(&args.method)?, path(&args.path, context)?);
    for header in &args.headers {
        let (name, value) = parse_header(header)?;
        call.headers.insert(name, value);
    }
    if !args.fields.is_empty() {
        let body = args
            .fields
            .iter()
            .map(|field| parse_field(field))
            .collect::<CliResult<Map<String, Value>>>()?;
        call = call.json(&body);
    }
    if let Some(file) = &args.input {
        let bytes = if file.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(file)
        };
        call.body = Some(
            bytes
                .map_err(|error| {
                    CliError::usage(format!("Cannot read {}: {error}.", file.display()))
                })?
                .into(),
        );
    }
    if args.paginate {
        return pages(context, call).await;
    }
    let client = context.client().await?;
    let answer = context.call(client.send(&call)).await?;
    if answer.status.is_success() {
        return show(context, &answer);
    }
    // The body of an error is data too: a program may want it.
    if !context.screen.terminal {
        show(context, &answer)?;
    }
    answer.ok().map(drop).map_err(|error| context.failed(error))
}

/// Follows `next` from page to page and prints all items as one list.
async fn pages(context: &Context, mut call: Call) -> CliResult {
    if call.method != Method::GET {
        return Err(CliError::usage("Only a GET has pages."));
    }
    let client = context.client().await?;
    let first = call.path.clone();
    let mut items = Vec::new();
    loop {
        let answer =
            context.call(client.send(&call)).await?.ok().map_err(|error| context.failed(error))?;
        let mut page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(more)) => items.extend(more),
            _ => return Err(CliError::usage(format!("{first} has no pages."))),
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => {
                let separator = if first.contains('?') { '&' } else { '?' };
                call.path = format!("{first}{separator}after={next}");
            }
            None => return print(&pretty(context, &Value::Array(items))),
        }
    }
}

fn show(context: &Context, answer: &Answer) -> CliResult {
    if answer.body.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) if context.screen.terminal => print(&pretty(context, &value)),
        _ => {
            let text = String::from_utf8_lossy(&answer.body);
            let end = if text.ends_with('\n') { "" } else { "\n" };
            print(&if context.screen.terminal {
                format!("{}{end}", terminal_safe(&text))
            } else {
                format!("{text}{end}")
            })
        }
    }
}

fn pretty(context: &Context, value: &Value) -> String {
    if context.screen.terminal {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        // JSON escapes C0; C1 and what turns text around is left to us.
        return format!("{}\n", terminal_safe(&text));
    }
    format!("{value}\n")
}

fn method(text: &str) -> CliResult<Method> {
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" => {
            upper.parse().map_err(|_| CliError::usage("Unknown method."))
        }
        _ => Err(CliError::usage(format!("\"{text}\" is not a method."))
            .hint("Methods: GET POST PUT PATCH DELETE HEAD")),
    }
}

/// `/api/me`, `api/me`, or the full address on the same server. The token goes nowhere else.
fn path(text: &str, context: &Context) -> CliResult<String> {
    let server = context.server()?.to_string();
    let path = match text.strip_prefix(&server) {
        Some(path) => path.to_owned(),
        None if text.contains("://") => {
            return Err(CliError::usage(format!("This address is not on {}.", context.host())));
        }
        None => text.to_owned(),
    };
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    if path.starts_with("//")
        || path.contains(char::is_whitespace)
        || path.contains(char::is_control)
    {
        return Err(
            CliError::usage(format!("\"{text}\" is not a path.")).hint("It looks like /api/me")
        );
    }
    Ok(path)
}

fn parse_header(text: &str) -> CliResult<(HeaderName, HeaderValue)> {
    let wrong = || {
        CliError::usage(format!("\"{text}\" is not a header."))
            .hint("It looks like 'Accept: text/plain'")
    };
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?))
}

fn parse_field(text: &str) -> CliResult<(String, Value)> {
    let (key, value) = text.split_once('=').ok_or_else(|| {
        CliError::usage(format!("\"{text}\" is not a field.")).hint("It looks like -F name=value")
    })?;
    Ok((
        key.to_owned(),
        serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_json_where_they_read_so() {
        assert_eq!(parse_field("n=3").unwrap(), ("n".into(), Value::from(3)));
        assert_eq!(
            parse_field("name=Harbour Co-op").unwrap(),
            ("name".into(), Value::from("Harbour Co-op"))
        );
        assert_eq!(parse_field("a=[1]").unwrap().1, serde_json::json!([1]));
        assert!(parse_field("x").is_err());
        assert!(method("get").is_ok() && method("TRACE").is_err());
        assert!(parse_header("Accept: text/plain").is_ok() && parse_header("nope").is_err());
    }
}
