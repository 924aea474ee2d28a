//! People: who somebody is, and writing to them.

use ajet_shared::community::Member;
use ajet_shared::http::{Path, Query};
use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::problem::Problem;
use ajet_shared::user::{User, UserKind};
use axum::extract::{Form, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;

use crate::error::{PageError, RefusedForm, fragment, goto};
use crate::state::{App, Caller};
use crate::urls;
use crate::view::profile::{Card, Choice, NewMessagePage, Pop, ProfilePage};
use crate::view::render;
use crate::view::shell::{Shell, View, World};

/// Communities in which somebody is looked for.
const LOOKED_IN: usize = 5;

/// Where a card is opened.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Beside {
    /// The community on show: names and roles are different in each.
    community: Option<CommunityId>,
}

/// `GET /people/{id}/card`: beside a name.
pub(crate) async fn card(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<UserId>,
    Query(beside): Query<Beside>,
) -> Result<Response, Problem> {
    let me = caller.author(&app).await?.id;
    let (user, member) = known(&caller, id, beside.community).await?;
    app.directory.learn_names([(user.id, user.username.as_str())]);
    let card = Card::new(&user, member.as_ref(), me, true);
    Ok(fragment(render(&Pop { name: &user.display_name, card })))
}

/// `GET /people/{id}`: the same as a page.
pub(crate) async fn person(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    id: Result<Path<UserId>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(id)) = (caller.map_err(failed)?, id.map_err(failed)?);
    profile(&app, &caller, id).await.map_err(failed)
}

async fn profile(app: &App, caller: &Caller, id: UserId) -> Result<Response, Problem> {
    let mut world = caller.world(app).await?;
    let mut found = None;
    for (n, view) in world.sync.communities.iter().take(LOOKED_IN).enumerate() {
        if let Ok(member) = caller.api.member(view.community.id, id).await {
            found = Some((n, member));
            break;
        }
    }
    let (user, member) = if let Some((n, member)) = found {
        world.community = Some(n);
        (member.user.clone(), Some(member))
    } else {
        world.community = (!world.sync.communities.is_empty()).then_some(0);
        (caller.api.user(id).await?, None)
    };
    world.online = caller.online(app, &world).await?;
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, &user.display_name, &nonce, 0);
    let card = Card::new(&user, member.as_ref(), world.me.id, false);
    Ok(super::page(render(&ProfilePage { shell, card }), &nonce))
}

/// Somebody as a member of the community, or, where they are none, as anybody who knows them sees them.
async fn known(
    caller: &Caller,
    id: UserId,
    community: Option<CommunityId>,
) -> Result<(User, Option<Member>), Problem> {
    if let Some(community) = community
        && let Ok(member) = caller.api.member(community, id).await
    {
        return Ok((member.user.clone(), Some(member)));
    }
    Ok((caller.api.user(id).await?, None))
}

/// `GET /c/{slug}/new-message`: whom to write to.
pub(crate) async fn new_message(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    choose(&app, &caller, &slug).await.map_err(failed)
}

async fn choose(app: &App, caller: &Caller, slug: &str) -> Result<Response, Problem> {
    let world: World = super::community::world(app, caller, slug).await?;
    let community = world.community().ok_or_else(Problem::not_found)?.community.id;
    let mut people: Vec<User> = caller
        .members(app, community)
        .await?
        .into_iter()
        .map(|member| member.user)
        .filter(|user| user.kind == UserKind::Human && user.id != world.me.id)
        .collect();
    people.sort_by_cached_key(|user| user.display_name.to_lowercase());
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, "New message", &nonce, 0);
    let people = people.iter().map(Choice::new).collect();
    Ok(super::page(render(&NewMessagePage { shell, people }), &nonce))
}

/// `POST /dms`: opens the conversation with the people of the form, each a field `user_id`.
pub(crate) async fn open(
    State(app): State<App>,
    caller: Caller,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, RefusedForm> {
    let chosen = fields.iter().filter(|(name, _)| name == "user_id").map(|(_, id)| id.parse());
    let user_ids: Vec<UserId> =
        chosen.collect::<Result<_, _>>().map_err(|_| Problem::not_found())?;
    if user_ids.is_empty() {
        return Err(Problem::new(422, "validation", "Choose somebody to write to").into());
    }
    let direct = caller.api.open_direct_message(&user_ids).await?;
    let world = caller.world(&app).await?;
    Ok(goto(&urls::of(&direct, world.sync.communities.first())))
}
