//! Every route as everybody (A51): who may not call it gets 401, 403 or 404, and a 404 says nothing that an unknown id would not.

use ajet_nets::person::{Answer, Body};
use ajet_shared::http::Class;
use futures::StreamExt as _;
use reqwest::Method;

use crate::objects::{Objects, Unknown};
use crate::table::{Route, Service, routes};
use crate::world::{Place, Role, World};

/// Routes that are called at a time.
const AT_A_TIME: usize = 6;

/// How a form shows a reason; an empty place for one is on many pages.
const FORM_ERROR: &str = r#"<div id="form-error" class="field"><p class="error""#;

/// What a call must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Done, or refused for another reason than who calls.
    Allowed,
    /// 403, in words.
    Refused,
    /// 404, the same as for what does not exist.
    Hidden,
    /// One of the two.
    Denied,
    /// 401, or the way to the sign-in page.
    SignIn,
    /// Whatever it is, it is an answer.
    Any,
    /// Whatever it is, it is the same as for what does not exist: the page shows the reason instead of failing.
    Same,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Refused,
    Hidden,
    /// A form says no; only its words tell why.
    FormSaysNo,
    SignIn,
    /// What was sent is no request: nobody's right was asked for.
    Unreadable,
    Broken,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_role_as_it_should() {
    let world = World::new("roles").await.unwrap();
    let (routes, _) = routes();
    let jobs = routes
        .iter()
        .flat_map(|route| [Place::Public, Place::Private].map(|place| (route, place)))
        .filter(|(route, place)| *place == Place::Public || depends_on_channel(route.class));
    let failures: Vec<String> = futures::stream::iter(jobs)
        .map(|(route, place)| check(&world, route, place))
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<_>>()
        .await
        .concat();
    assert!(failures.is_empty(), "{} answers are wrong:\n{}", failures.len(), failures.join("\n"));
}

/// One route as everybody.
async fn check(world: &World, route: &Route, place: Place) -> Vec<String> {
    let mut failures = Vec::new();
    let mut shared = None;
    for role in Role::ALL {
        let wrong = async {
            if shared.is_none() {
                shared = Some(world.objects(place, route).await?);
            }
            let objects = shared.as_ref().expect("made just now");
            check_role(world, route, place, role, objects).await
        };
        let wrong = wrong.await.unwrap_or_else(|error| Some(format!("{error:#}")));
        failures.extend(
            wrong.map(|wrong| format!("{} in {place:?} as {role:?}: {wrong}", route.name())),
        );
        // What was done may be done once only; what was refused left everything as it was.
        let was_refused = matches!(
            expected(route, role, place),
            Expected::Refused | Expected::Hidden | Expected::Denied | Expected::SignIn
        );
        if !route.reads() && !was_refused {
            shared = None;
        }
    }
    failures
}

async fn check_role(
    world: &World,
    route: &Route,
    place: Place,
    role: Role,
    objects: &Objects,
) -> anyhow::Result<Option<String>> {
    let expected = expected(route, role, place);
    let answer = call(world, route, role, objects).await?;
    let outcome = outcome(&answer);
    let shown: String = answer.body.chars().take(300).collect();
    if !fits(expected, outcome) {
        let status = answer.status;
        return Ok(Some(format!("{expected:?} expected, {outcome:?}: {status} {shown}")));
    }
    if matches!(expected, Expected::Hidden | Expected::Same) {
        let which = if role.is_inside() { Unknown::Inside } else { Unknown::All };
        let nothing = objects.unknown(which);
        let unknown = call(world, route, role, &nothing).await?;
        let (hidden, unknown) =
            (essence(&answer, route, objects), essence(&unknown, route, &nothing));
        if hidden != unknown {
            return Ok(Some(format!("an unknown id tells more:\n  {hidden}\n  {unknown}")));
        }
    }
    Ok(None)
}

/// Calls the route with all it needs.
async fn call(
    world: &World,
    route: &Route,
    role: Role,
    objects: &Objects,
) -> anyhow::Result<Answer> {
    let ends_session = route.path == "/auth/logout";
    let person = if ends_session { world.again(role).await? } else { world.person(role).clone() };
    let code = if route.path == "/api/invites/accept" {
        world.code_elsewhere().await?
    } else {
        String::new()
    };
    let method: Method = route.method.parse()?;
    // A file's right is asked for before the file: whoever has it already is answered 304.
    let known: &[_] =
        if route.path.starts_with("/files/") { &[("if-none-match", "*")] } else { &[] };
    let body = if ends_session { Body::Form(Vec::new()) } else { route.body(objects, &code) };
    person.call_with(method, &route.address(objects), body, known).await
}

fn outcome(answer: &Answer) -> Outcome {
    let to_login = || {
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        location.is_some_and(|location| location.starts_with("/login"))
    };
    match answer.status {
        401 => Outcome::SignIn,
        302 | 303 if to_login() => Outcome::SignIn,
        403 => Outcome::Refused,
        404 => Outcome::Hidden,
        400 | 415 => Outcome::Unreadable,
        500.. => Outcome::Broken,
        200 if answer.body.contains(FORM_ERROR) => Outcome::FormSaysNo,
        _ => Outcome::Allowed,
    }
}

fn fits(expected: Expected, outcome: Outcome) -> bool {
    match expected {
        Expected::Allowed => outcome == Outcome::Allowed,
        Expected::Refused => matches!(outcome, Outcome::Refused | Outcome::FormSaysNo),
        Expected::Hidden => matches!(outcome, Outcome::Hidden | Outcome::FormSaysNo),
        Expected::Denied => {
            matches!(outcome, Outcome::Refused | Outcome::Hidden | Outcome::FormSaysNo)
        }
        Expected::SignIn => outcome == Outcome::SignIn,
        Expected::Any | Expected::Same => outcome != Outcome::Broken,
    }
}

/// An answer without what differs from call to call: its trace id, and the address that was asked for.
fn essence(answer: &Answer, route: &Route, objects: &Objects) -> String {
    let trace = answer.headers.get("x-trace-id").and_then(|value| value.to_str().ok());
    let mut body = answer.body.clone();
    if let Some(trace) = trace {
        body = body.replace(trace, "TRACE");
    }
    body = body.replace(&objects.fill(&route.path), "PATH");
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !["date", "x-trace-id", "content-length"].contains(&name)
                && !name.starts_with("ratelimit")
        })
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
        .collect();
    headers.sort();
    format!("{} {} {body}", answer.status, headers.join(", "))
}

/// The answer differs between public and private channels.
const fn depends_on_channel(class: Class) -> bool {
    matches!(
        class,
        Class::ChannelRead
            | Class::ChannelSeen
            | Class::ChannelWrite
            | Class::ChannelAdmin
            | Class::IntegrationAdmin
            | Class::MessageRead
            | Class::MessageWrite
            | Class::MessageAuthor
            | Class::MessageAuthorOrAdmin
    )
}

/// What a class promises a role.
fn expected(route: &Route, role: Role, place: Place) -> Expected {
    let class = route.class;
    if route.path == "/channels/{id}/commands" && role != Role::Anonymous {
        let hidden = !role.is_inside() || (place == Place::Private && is_kept_out(class, role));
        return if hidden { Expected::Same } else { Expected::Any };
    }
    // What pages and the gateway answer is made of many calls; it is never more than the api's answers.
    let is_mixed = class == Class::SignedIn
        && (route.service == Service::Gateway
            || (route.service == Service::SessionManager && role == Role::Bot));
    match (class, role) {
        (Class::Public, _) => Expected::Any,
        (_, Role::Anonymous) => Expected::SignIn,
        _ if is_mixed => Expected::Any,
        (Class::Own, Role::Bot) => Expected::Denied,
        (Class::Own, _) if role != Role::Member => Expected::Hidden,
        (Class::SignedIn | Class::Session, Role::Stranger | Role::Ex)
        | (Class::Own, Role::Member) => Expected::Allowed,
        (_, Role::Stranger | Role::Ex) => Expected::Hidden,
        // What only admins may do says no before it looks whether the thing is there.
        (Class::IntegrationAdmin, Role::Onlooker | Role::Member) => Expected::Refused,
        _ if place == Place::Private && is_kept_out(class, role) => {
            // A token is told first what it lacks where that says nothing about the channel.
            if role == Role::Bot { Expected::Denied } else { Expected::Hidden }
        }
        (_, Role::Bot) => for_bot(route),
        _ => for_member(class, role),
    }
}

/// What it promises those who see the thing.
fn for_member(class: Class, role: Role) -> Expected {
    let is_admin = matches!(role, Role::Admin | Role::Owner);
    let refused = match class {
        Class::CommunityAdmin | Class::ChannelAdmin => !is_admin,
        Class::CommunityOwner => role != Role::Owner,
        Class::MessageAuthor => role != Role::Member,
        Class::MessageAuthorOrAdmin => role == Role::Onlooker,
        _ => false,
    };
    let writes = matches!(class, Class::ChannelWrite | Class::MessageWrite);
    match role {
        _ if refused => Expected::Refused,
        Role::Onlooker if writes => Expected::Denied,
        _ => Expected::Allowed,
    }
}

/// In a private channel there are the owner and the member.
const fn is_kept_out(class: Class, role: Role) -> bool {
    depends_on_channel(class) && matches!(role, Role::Bot | Role::Onlooker | Role::Admin)
}

/// A token that may read messages and nothing else, in no channel.
fn for_bot(route: &Route) -> Expected {
    if route.service == Service::SessionManager {
        let reads = route.reads() || matches!(route.class, Class::SignedIn | Class::MessageRead);
        return if reads { Expected::Any } else { Expected::Denied };
    }
    let has_scope = matches!(route.scope, "" | "messages:read");
    // In a channel that it is not in it may read and nothing else.
    if has_scope && route.class != Class::ChannelWrite {
        Expected::Allowed
    } else {
        Expected::Refused
    }
}
