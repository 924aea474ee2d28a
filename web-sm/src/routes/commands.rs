//! Commands: what the box offers while one writes, and running one. A command never becomes a message as it was typed.

use ajet_shared::channel::ChannelView;
use ajet_shared::command::{AnswerKind, CommandAnswer, RunCommand};
use ajet_shared::http::{Json, Path};
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId};
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::error::{fragment, goto, sentence};
use crate::state::{App, Caller};
use crate::urls;
use crate::view::answer::Answer;
use crate::view::complete::Completions;
use crate::view::render;

/// `GET /channels/{id}/complete`: commands, people, channels and emoji, all at once.
pub(crate) async fn complete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
) -> Result<Response, Problem> {
    let api = &caller.api;
    let here = api.channel(id).await.map_err(Problem::from)?;
    let members = async {
        match here.channel.community_id {
            Some(community) => caller.members(&app, community).await,
            None => Ok(Vec::new()),
        }
    };
    let commands = async { Ok(api.commands(id).await.map_err(Problem::from)?.items) };
    let (commands, inside, members, channels) = tokio::try_join!(
        commands,
        caller.channel_people(&app, id),
        members,
        channels(&caller, &here)
    )?;
    Ok(fragment(render(&Completions::new(&here, &commands, &inside, &members, &channels))))
}

/// The channels that can be named here: those of the same community, or all of the caller's in a direct message.
async fn channels(caller: &Caller, here: &ChannelView) -> Result<Vec<ChannelView>, Problem> {
    if let Some(community) = here.channel.community_id {
        return Ok(caller.api.channels(community).await?.items);
    }
    let sync = caller.api.sync().await?;
    Ok(sync.communities.into_iter().flat_map(|view| view.channels).collect())
}

/// A command as it stands in the box.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    text: String,
    client_msg_id: ClientMessageId,
    /// The thread whose box it is.
    parent_id: Option<MessageId>,
}

/// `POST /channels/{id}/commands`: a note for the caller alone, the way to another page, or nothing where the stream brings the result.
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Json(line): Json<Line>,
) -> Result<Response, Problem> {
    let command = RunCommand {
        channel_id: id,
        text: line.text,
        client_msg_id: Some(line.client_msg_id),
        parent_id: line.parent_id,
    };
    match caller.api.run_command(&command).await.map_err(Problem::from) {
        Ok(answer) => answered(&app, &caller, id, &answer).await,
        // A page of somebody signed out, and a server that is not there, are not the command's fault.
        Err(problem) if problem.status == 401 || problem.status >= 500 => Err(problem),
        Err(problem) => {
            let status =
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            let why = sentence(&problem);
            Ok((status, fragment(render(&Answer::refused(&why)))).into_response())
        }
    }
}

async fn answered(
    app: &App,
    caller: &Caller,
    typed_in: ChannelId,
    answer: &CommandAnswer,
) -> Result<Response, Problem> {
    match (answer.kind, answer.channel_id) {
        (AnswerKind::Posted, _) => Ok(StatusCode::NO_CONTENT.into_response()),
        (AnswerKind::Redirect, Some(to)) => {
            let (world, view) =
                tokio::try_join!(caller.world(app), async { Ok(caller.api.channel(to).await?) })?;
            let communities = &world.sync.communities;
            let has = |id| {
                move |view: &&ajet_shared::sync::CommunityView| {
                    view.channels.iter().any(|channel| channel.channel.id == id)
                }
            };
            let own = communities
                .iter()
                .find(|community| Some(community.community.id) == view.channel.community_id);
            let beside = own.or_else(|| communities.iter().find(has(typed_in)));
            Ok(goto(&urls::of(&view, beside.or(communities.first()))))
        }
        _ if answer.body_md.is_empty() => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Ok(fragment(render(&Answer::of(answer, &app.directory)))),
    }
}
