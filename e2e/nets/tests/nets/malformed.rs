//! Malformed requests at every route that takes JSON, every query and every path (A13 to A15, A18, A84): a defined refusal, never a
//! failure of the server, and the server goes on.

use ajet_nets::person::{Answer, Body, Person};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::objects::Objects;
use crate::table::{Route, Service, routes};
use crate::world::{Place, Role, World};

/// Routes that are called at a time.
const AT_A_TIME: usize = 6;
/// A type and bytes that claim it.
type Sent = (&'static str, Vec<u8>);

/// Statuses of a refusal, by what is wrong.
const SYNTAX: &[u16] = &[400];
const VALUE: &[u16] = &[400, 422];
/// The gateway's own forms are small.
const DEEP: &[u16] = &[400, 413, 422];
const TYPE: &[u16] = &[415];
/// What is strange and may be right: anything but a failure.
const STRANGE: &[u16] = &[];

/// Values that are wrong in the place of any other, as they are written in JSON.
const WRONG_VALUES: &[&str] = &[
    r#"{"$regex":""}"#,
    r#"{"$ne":null}"#,
    "1e400",
    "-1e400",
    r#""\ud800""#,
    r#""\udfff\ud800""#,
    "[[[[[[[[]]]]]]]]",
    "[null]",
    "NaN",
    "'single'",
];
/// Values that are strange; some fields may have some of them.
const STRANGE_VALUES: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e308",
    "18446744073709551616",
    "\"\"",
    r#""\u0000""#,
    r#""a\u0000b""#,
    r#""\u202e""#,
    r#""\u200b""#,
    r#""\ufffe""#,
    r#""' OR 1=1 --""#,
    r#""%00""#,
    r#""00000000-0000-0000-0000-000000000000""#,
    "[null,{}]",
    r#"["x",null]"#,
];
/// What stands in for an id in a path.
const WRONG_IDS: &[&str] = &[
    "x",
    "1e400",
    "-1",
    "null",
    "%7B%22%24regex%22%3A%22%22%7D",
    "%27%20OR%201%3D1",
    "00000000-0000-0000-0000-00000000000g",
    "%00",
    "%F0%9F%92%A9",
    "%FF%FE",
    "a%2Fb",
];
/// Queries that no list takes.
const WRONG_QUERIES: &[&str] = &[
    "limit=1&limit=9999",
    "limit=-1",
    "limit=0",
    "limit=1000000000",
    "limit=99999999999999999999",
    "limit=1e2",
    "limit=",
    "limit=%00",
    "after=x",
    "after=%27--",
    "before=%7B%22%24regex%22%3A%22%22%7D",
    "before=0198c0de-0000-7000-8000-000000000001&after=0198c0de-0000-7000-8000-000000000001",
    "after=0198c0de-0000-7000-8000-000000000001&after=0198c0de-0000-7000-8000-000000000001",
    "nobody-knows-this=1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bodies_are_refused_at_every_route() {
    let world = World::new("bodies").await.unwrap();
    let routes: Vec<_> = routes().0.into_iter().filter(Route::takes_json).collect();
    assert!(routes.len() > 20, "{} routes take JSON", routes.len());
    let failures = gather(&routes, |route| bodies(&world, route)).await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_queries_are_refused_by_every_list() {
    let world = World::new("queries").await.unwrap();
    let lists = lists();
    assert!(lists.len() > 8, "{lists:?}");
    let routes: Vec<_> =
        routes().0.into_iter().filter(|route| lists.contains(&route.name())).collect();
    let failures = gather(&routes, |route| queries(&world, route)).await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_paths_lead_nowhere() {
    let world = World::new("paths").await.unwrap();
    // Senders of webhooks are told in plain words (decisions.md 15); the gateway has no ids.
    let with_ids = |route: &Route| {
        route.path.contains('{')
            && route.service != Service::Gateway
            && !route.path.starts_with("/hook")
    };
    let routes: Vec<_> = routes().0.into_iter().filter(with_ids).collect();
    let failures = gather(&routes, |route| paths(&world, route)).await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The failures of all routes, some at a time.
async fn gather<'a, F>(routes: &'a [Route], check: impl Fn(&'a Route) -> F) -> Vec<String>
where
    F: Future<Output = anyhow::Result<Vec<String>>> + 'a,
{
    let checked = futures::stream::iter(routes).map(|route| {
        let failures = check(route);
        async move {
            failures.await.unwrap_or_else(|error| vec![format!("{}: {error:#}", route.name())])
        }
    });
    checked.buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await.concat()
}

async fn bodies(world: &World, route: &Route) -> anyhow::Result<Vec<String>> {
    let objects = world.objects(Place::Public, route).await?;
    // The author of what is there, so that nothing is refused for who calls.
    let person = world.person(caller(route));
    let Body::Json(Value::Object(valid)) = route.body(&objects, "aji_nothing") else {
        return Ok(Vec::new());
    };
    let mut failures = Vec::new();
    for (name, sent, wanted) in variants(&valid) {
        let headers: &[_] = if name == "gzip" { &[("content-encoding", "gzip")] } else { &[] };
        let method: Method = route.method.parse()?;
        let body = Body::Raw(sent.0, sent.1);
        let answer = person.call_with(method, &route.address(&objects), body, headers).await?;
        // Commands of the page are answered with what the page shows.
        let shown = route.path == "/channels/{id}/commands" && answer.content_type() == "text/html";
        let wrong = judge(&answer, wanted).filter(|_| !(shown && answer.status == 422));
        failures.extend(wrong.map(|wrong| format!("{}, {name}: {wrong}", route.name())));
    }
    failures.extend(alive(person).await);
    Ok(failures)
}

/// Who may call a route, of those who are there.
fn caller(route: &Route) -> Role {
    use ajet_shared::http::Class;
    match route.class {
        Class::MessageAuthor | Class::MessageAuthorOrAdmin | Class::Own => Role::Member,
        _ => Role::Owner,
    }
}

/// Every way in which a body can be wrong, with the statuses that may answer it.
fn variants(valid: &Map<String, Value>) -> Vec<(String, Sent, &'static [u16])> {
    const JSON: &str = "application/json";
    let text = Value::Object(valid.clone()).to_string();
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut all: Vec<(String, Sent, &'static [u16])> = vec![
        ("empty".to_owned(), (JSON, Vec::new()), SYNTAX),
        ("text/plain".to_owned(), ("text/plain", bytes(&text)), TYPE),
        ("form".to_owned(), ("application/x-www-form-urlencoded", bytes("a=1")), TYPE),
        ("multipart".to_owned(), ("multipart/form-data; boundary=x", bytes("--x--")), TYPE),
        ("gzip".to_owned(), (JSON, vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), TYPE),
        ("byte order mark".to_owned(), (JSON, bytes(&format!("\u{feff}{text}"))), SYNTAX),
        ("UTF-16".to_owned(), (JSON, utf16(&text)), SYNTAX),
        ("trailing garbage".to_owned(), (JSON, bytes(&format!("{text} x"))), SYNTAX),
        ("two documents".to_owned(), (JSON, bytes(&format!("{text}{text}"))), SYNTAX),
        ("cut off".to_owned(), (JSON, bytes(&text[..text.len() - 1])), SYNTAX),
        ("not UTF-8".to_owned(), (JSON, vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']), VALUE),
        ("a NUL byte".to_owned(), (JSON, bytes(&format!("{text}\0"))), SYNTAX),
        ("deep lists".to_owned(), (JSON, "[".repeat(10_000).into_bytes()), DEEP),
        ("deep objects".to_owned(), (JSON, r#"{"a":"#.repeat(10_000).into_bytes()), DEEP),
        ("a list".to_owned(), (JSON, bytes(&format!("[{text}]"))), VALUE),
        ("null".to_owned(), (JSON, bytes("null")), VALUE),
        ("a number".to_owned(), (JSON, bytes("1e400")), VALUE),
        ("a text".to_owned(), (JSON, bytes("\"text\"")), VALUE),
    ];
    for (key, value) in valid {
        let doubled = format!("{{{}:{value},{}", Value::from(key.as_str()), &text[1..]);
        all.push((format!("{key} twice"), (JSON, bytes(&doubled)), VALUE));
        for wrong in WRONG_VALUES {
            all.push((format!("{key} is {wrong}"), (JSON, bytes(&with(valid, key, wrong))), VALUE));
        }
        for strange in STRANGE_VALUES {
            let sent = (JSON, bytes(&with(valid, key, strange)));
            all.push((format!("{key} is {strange}"), sent, STRANGE));
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(200), "1".to_owned() + &"}".repeat(200));
        all.push((format!("{key} is deep"), (JSON, bytes(&with(valid, key, &deep))), VALUE));
    }
    all
}

/// The object with one value as it is written here.
fn with(valid: &Map<String, Value>, changed: &str, written: &str) -> String {
    let pairs: Vec<_> = valid
        .iter()
        .map(|(key, value)| {
            let value = if key == changed { written.to_owned() } else { value.to_string() };
            format!("{}:{value}", Value::from(key.as_str()))
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The lists of the api: what its description says has a limit.
fn lists() -> Vec<String> {
    let document = serde_json::to_value(ajet_api::openapi()).expect("the document is JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        if parameters.into_iter().any(|parameter| parameter["name"] == "limit") {
            found.push(format!("GET {path}"));
        }
    }
    found
}

async fn queries(world: &World, route: &Route) -> anyhow::Result<Vec<String>> {
    let objects = world.objects(Place::Public, route).await?;
    let person = world.person(Role::Owner);
    let mut failures = Vec::new();
    for query in WRONG_QUERIES {
        let address = route.address(&objects);
        let joint = if address.contains('?') { '&' } else { '?' };
        let address = format!("{address}{joint}{query}");
        let answer = person.call(Method::GET, &address, Body::Empty).await?;
        // The gateway refuses what is no text before the list can.
        let wanted: &[u16] = if query.contains("%00") { &[400, 422] } else { &[422] };
        let wrong = judge(&answer, wanted);
        failures.extend(wrong.map(|wrong| format!("{}?{query}: {wrong}", route.name())));
    }
    failures.extend(alive(person).await);
    Ok(failures)
}

async fn paths(world: &World, route: &Route) -> anyhow::Result<Vec<String>> {
    let objects = Objects::default();
    let person = world.person(Role::Owner);
    let mut failures = Vec::new();
    for id in WRONG_IDS {
        let path = route
            .path
            .split('/')
            .map(|segment| if segment.starts_with('{') { *id } else { segment })
            .collect::<Vec<_>>()
            .join("/");
        let method: Method = route.method.parse()?;
        let body = route.body(&objects, "");
        let answer = person.call(method, &path, body).await?;
        // A form says no in its own way, an asset is public.
        if !(200..500).contains(&answer.status) {
            failures.push(format!("{} {path}: {} {}", route.method, answer.status, answer.body));
        }
        if route.service == Service::Api {
            let wrong = judge(&answer, &[400, 404]);
            failures.extend(wrong.map(|wrong| format!("{} {path}: {wrong}", route.method)));
        }
    }
    failures.extend(alive(person).await);
    Ok(failures)
}

/// What is wrong with a refusal, if anything is.
fn judge(answer: &Answer, wanted: &[u16]) -> Option<String> {
    let shown: String = answer.body.chars().take(300).collect();
    let status = answer.status;
    if status >= 500 || (!wanted.is_empty() && !wanted.contains(&status)) {
        return Some(format!("{wanted:?} expected: {status} {shown}"));
    }
    if status < 400 {
        return None;
    }
    let problem = answer.json();
    let is_problem = answer.content_type() == "application/problem+json"
        && problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/"))
        && problem["title"].is_string()
        && problem["status"] == status
        && problem["trace_id"].is_string();
    (!is_problem).then(|| format!("this is no problem: {status} {shown}"))
}

/// The server answers as before.
async fn alive(person: &Person) -> Option<String> {
    let path = format!("/api/me?{}", Uuid::now_v7().simple());
    match person.call(Method::GET, &path, Body::Empty).await {
        Ok(answer) if answer.status == 200 => None,
        Ok(answer) => Some(format!("afterwards /api/me is {}", answer.status)),
        Err(error) => Some(format!("afterwards: {error:#}")),
    }
}
