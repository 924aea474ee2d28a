//! The routes of the API, one function each, in the order of architecture.md section 3.

use std::fmt::Write as _;

use serde::Serialize;

use super::{ApiClient, Call, ClientError, Method};
use crate::channel::{AddChannelMember, Channel, ChannelView, CreateChannel, UpdateChannel};
use crate::command::{CommandAnswer, CommandInfo, RunCommand};
use crate::community::{Community, CreateCommunity, Member, Role, UpdateCommunity, UpdateMember};
use crate::events::Notification;
use crate::id::{ChannelId, CommunityId, InviteId, MessageId, NotificationId, SessionId, UserId};
use crate::invite::{CreateInvite, CreatedInvite, Invite};
use crate::limits::PAGE_SIZE_MAX;
use crate::message::{EditMessage, MarkRead, Message, PostMessage, ReactionCount, ReadState};
use crate::page::{Page, PageQuery};
use crate::search::{SearchHit, SearchRequest};
use crate::session::Session;
use crate::sync::{CommunityView, Reach, Sync};
use crate::user::{Me, UpdateMe, User};

impl ApiClient {
    /// The caller.
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.json(get("/api/me")).await
    }

    /// Changes the caller's profile.
    pub async fn update_me(&self, change: &UpdateMe) -> Result<Me, ClientError> {
        self.json(patch("/api/me", change)).await
    }

    /// Where the caller is signed in.
    pub async fn sessions(&self) -> Result<Page<Session>, ClientError> {
        self.json(get("/api/me/sessions")).await
    }

    /// Signs the caller out somewhere.
    pub async fn revoke_session(&self, id: SessionId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/me/sessions/{id}"))).await
    }

    /// All that one reader needs, in one call, and where a stream that continues it starts.
    pub async fn sync(&self) -> Result<Sync, ClientError> {
        self.json(get("/api/sync")).await
    }

    /// What a stream of the caller carries.
    pub async fn reach(&self) -> Result<Reach, ClientError> {
        self.json(get("/api/me/access")).await
    }

    /// A profile.
    pub async fn user(&self, id: UserId) -> Result<User, ClientError> {
        self.json(get(format!("/api/users/{id}"))).await
    }

    /// Says that the caller is there; once a minute keeps them online.
    pub async fn heartbeat(&self) -> Result<(), ClientError> {
        self.done(Call::new(Method::POST, "/api/heartbeat")).await
    }

    /// The caller's communities.
    pub async fn communities(&self) -> Result<Page<CommunityView>, ClientError> {
        self.json(get("/api/communities")).await
    }

    /// Makes a community; the caller becomes its owner.
    pub async fn create_community(&self, new: &CreateCommunity) -> Result<Community, ClientError> {
        self.json(post("/api/communities", new)).await
    }

    /// A community.
    pub async fn community(&self, id: CommunityId) -> Result<Community, ClientError> {
        self.json(get(format!("/api/communities/{id}"))).await
    }

    /// Renames a community, or says what its members may do.
    pub async fn update_community(
        &self,
        id: CommunityId,
        change: &UpdateCommunity,
    ) -> Result<Community, ClientError> {
        self.json(patch(format!("/api/communities/{id}"), change)).await
    }

    /// The members of a community.
    pub async fn members(
        &self,
        id: CommunityId,
        page: PageQuery,
    ) -> Result<Page<Member>, ClientError> {
        self.json(get(paged(format!("/api/communities/{id}/members"), page))).await
    }

    /// One member of a community.
    pub async fn member(&self, id: CommunityId, user: UserId) -> Result<Member, ClientError> {
        self.json(get(format!("/api/communities/{id}/members/{user}"))).await
    }

    /// Gives a member another role.
    pub async fn update_member(
        &self,
        id: CommunityId,
        user: UserId,
        role: Role,
    ) -> Result<Member, ClientError> {
        self.json(patch(format!("/api/communities/{id}/members/{user}"), &UpdateMember { role }))
            .await
    }

    /// Takes a member out of a community.
    pub async fn remove_member(&self, id: CommunityId, user: UserId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/members/{user}"))).await
    }

    /// The invites of a community.
    pub async fn invites(
        &self,
        id: CommunityId,
        page: PageQuery,
    ) -> Result<Page<Invite>, ClientError> {
        self.json(get(paged(format!("/api/communities/{id}/invites"), page))).await
    }

    /// Makes an invite; its code is in the answer and never shown again.
    pub async fn create_invite(
        &self,
        id: CommunityId,
        new: &CreateInvite,
    ) -> Result<CreatedInvite, ClientError> {
        self.json(post(format!("/api/communities/{id}/invites"), new)).await
    }

    /// Ends an invite.
    pub async fn revoke_invite(
        &self,
        id: CommunityId,
        invite: InviteId,
    ) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/invites/{invite}"))).await
    }

    /// Joins the community of an invite.
    pub async fn accept_invite(&self, code: &str) -> Result<Community, ClientError> {
        #[derive(Serialize)]
        struct Accept<'a> {
            code: &'a str,
        }
        self.json(post("/api/invites/accept", &Accept { code })).await
    }

    /// The channels of a community that the caller may see, joined or not.
    pub async fn channels(&self, id: CommunityId) -> Result<Page<ChannelView>, ClientError> {
        self.json(get(format!("/api/communities/{id}/channels"))).await
    }

    /// Makes a channel; the caller is in it.
    pub async fn create_channel(
        &self,
        id: CommunityId,
        new: &CreateChannel,
    ) -> Result<ChannelView, ClientError> {
        self.json(post(format!("/api/communities/{id}/channels"), new)).await
    }

    /// A channel.
    pub async fn channel(&self, id: ChannelId) -> Result<ChannelView, ClientError> {
        self.json(get(format!("/api/channels/{id}"))).await
    }

    /// Renames a channel or changes its topic.
    pub async fn update_channel(
        &self,
        id: ChannelId,
        change: &UpdateChannel,
    ) -> Result<ChannelView, ClientError> {
        self.json(patch(format!("/api/channels/{id}"), change)).await
    }

    /// Joins a public channel; does nothing for a member.
    pub async fn join_channel(&self, id: ChannelId) -> Result<ChannelView, ClientError> {
        self.json(Call::new(Method::POST, format!("/api/channels/{id}/join")).repeatable()).await
    }

    /// Leaves a channel.
    pub async fn leave_channel(&self, id: ChannelId) -> Result<(), ClientError> {
        self.done(Call::new(Method::POST, format!("/api/channels/{id}/leave"))).await
    }

    /// Archives a channel, or opens it again.
    pub async fn set_archived(
        &self,
        id: ChannelId,
        archived: bool,
    ) -> Result<Channel, ClientError> {
        let verb = if archived { "archive" } else { "unarchive" };
        self.json(Call::new(Method::POST, format!("/api/channels/{id}/{verb}"))).await
    }

    /// The people in a channel.
    pub async fn channel_members(
        &self,
        id: ChannelId,
        page: PageQuery,
    ) -> Result<Page<User>, ClientError> {
        self.json(get(paged(format!("/api/channels/{id}/members"), page))).await
    }

    /// Everybody in a channel, read page by page.
    pub async fn channel_member_ids(&self, id: ChannelId) -> Result<Vec<UserId>, ClientError> {
        let mut ids = Vec::new();
        let mut page = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
        loop {
            let members = self.channel_members(id, page).await?;
            ids.extend(members.items.iter().map(|member| member.id));
            match members.next {
                Some(next) => page.after = Some(next),
                None => return Ok(ids),
            }
        }
    }

    /// Takes somebody into a channel.
    pub async fn add_channel_member(
        &self,
        id: ChannelId,
        user_id: UserId,
    ) -> Result<(), ClientError> {
        self.done(post(format!("/api/channels/{id}/members"), &AddChannelMember { user_id })).await
    }

    /// Takes somebody out of a channel.
    pub async fn remove_channel_member(
        &self,
        id: ChannelId,
        user: UserId,
    ) -> Result<(), ClientError> {
        self.done(delete(format!("/api/channels/{id}/members/{user}"))).await
    }

    /// The caller's direct messages.
    pub async fn direct_messages(&self) -> Result<Page<ChannelView>, ClientError> {
        self.json(get("/api/dms")).await
    }

    /// The direct message with these people, which is made if it is not there.
    pub async fn open_direct_message(
        &self,
        user_ids: &[UserId],
    ) -> Result<ChannelView, ClientError> {
        #[derive(Serialize)]
        struct Open<'a> {
            user_ids: &'a [UserId],
        }
        self.json(post("/api/dms", &Open { user_ids }).repeatable()).await
    }

    /// Messages of a channel, ascending.
    pub async fn messages(
        &self,
        id: ChannelId,
        page: PageQuery,
    ) -> Result<Page<Message>, ClientError> {
        self.json(get(paged(format!("/api/channels/{id}/messages"), page))).await
    }

    /// Writes a message. Repeating the same `client_msg_id` gives the first answer, so it may be retried.
    pub async fn post_message(
        &self,
        id: ChannelId,
        message: &PostMessage,
    ) -> Result<Message, ClientError> {
        self.json(post(format!("/api/channels/{id}/messages"), message).repeatable()).await
    }

    /// A message.
    pub async fn message(&self, id: MessageId) -> Result<Message, ClientError> {
        self.json(get(format!("/api/messages/{id}"))).await
    }

    /// Gives a message a new text.
    pub async fn edit_message(
        &self,
        id: MessageId,
        change: &EditMessage,
    ) -> Result<Message, ClientError> {
        self.json(patch(format!("/api/messages/{id}"), change)).await
    }

    /// Deletes a message.
    pub async fn delete_message(&self, id: MessageId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/messages/{id}"))).await
    }

    /// The replies in a thread, ascending.
    pub async fn replies(
        &self,
        id: MessageId,
        page: PageQuery,
    ) -> Result<Page<Message>, ClientError> {
        self.json(get(paged(format!("/api/messages/{id}/replies"), page))).await
    }

    /// Gives a reaction; again does nothing. Answers all reactions of the message.
    pub async fn add_reaction(
        &self,
        id: MessageId,
        emoji: &str,
    ) -> Result<Vec<ReactionCount>, ClientError> {
        self.json(Call::new(Method::PUT, reaction(id, emoji))).await
    }

    /// Takes a reaction back; again does nothing. Answers all reactions of the message.
    pub async fn remove_reaction(
        &self,
        id: MessageId,
        emoji: &str,
    ) -> Result<Vec<ReactionCount>, ClientError> {
        self.json(delete(reaction(id, emoji)).repeatable()).await
    }

    /// Marks a channel read up to a message.
    pub async fn mark_read(
        &self,
        id: ChannelId,
        up_to: MessageId,
    ) -> Result<ReadState, ClientError> {
        self.json(post(format!("/api/channels/{id}/read"), &MarkRead { up_to }).repeatable()).await
    }

    /// Messages the caller may see, the newest first; `prev` of the page goes on to older ones.
    pub async fn search(&self, request: &SearchRequest) -> Result<Page<SearchHit>, ClientError> {
        self.json(get(format!("/api/search?{}", search_query(request)))).await
    }

    /// What the caller was notified of, newest last; with `unread` only what was not seen yet.
    pub async fn notifications(
        &self,
        unread: bool,
        page: PageQuery,
    ) -> Result<Page<Notification>, ClientError> {
        let path = if unread { "/api/notifications?unread=true" } else { "/api/notifications" };
        self.json(get(paged(path.to_owned(), page))).await
    }

    /// The commands that the caller may use in a channel.
    pub async fn commands(&self, id: ChannelId) -> Result<Page<CommandInfo>, ClientError> {
        self.json(get(format!("/api/commands?channel_id={id}"))).await
    }

    /// Runs a command as it was typed.
    pub async fn run_command(&self, command: &RunCommand) -> Result<CommandAnswer, ClientError> {
        self.json(post("/api/commands", command)).await
    }

    /// Marks notifications seen; all of them without ids.
    pub async fn read_notifications(
        &self,
        ids: Option<&[NotificationId]>,
    ) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Read<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            ids: Option<&'a [NotificationId]>,
        }
        self.done(post("/api/notifications/read", &Read { ids }).repeatable()).await
    }
}

pub(super) fn get(path: impl Into<String>) -> Call {
    Call::new(Method::GET, path)
}

pub(super) fn delete(path: impl Into<String>) -> Call {
    Call::new(Method::DELETE, path)
}

pub(super) fn post(path: impl Into<String>, body: &impl Serialize) -> Call {
    Call::new(Method::POST, path).json(body)
}

pub(super) fn put(path: impl Into<String>, body: &impl Serialize) -> Call {
    Call::new(Method::PUT, path).json(body)
}

fn patch(path: impl Into<String>, body: &impl Serialize) -> Call {
    Call::new(Method::PATCH, path).json(body)
}

pub(super) fn paged(mut path: String, page: PageQuery) -> String {
    let cursors = [("before", page.before), ("after", page.after), ("around", page.around)];
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (name, id) in cursors.into_iter().filter_map(|(name, id)| Some((name, id?))) {
        let _ = write!(path, "{separator}{name}={id}");
        separator = '&';
    }
    if let Some(limit) = page.limit {
        let _ = write!(path, "{separator}limit={limit}");
    }
    path
}

fn search_query(request: &SearchRequest) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("q", &request.q);
    let ids = [
        ("community_id", request.community_id.map(CommunityId::uuid)),
        ("channel_id", request.channel_id.map(ChannelId::uuid)),
        ("before", request.before),
    ];
    for (name, id) in ids.into_iter().filter_map(|(name, id)| Some((name, id?))) {
        query.append_pair(name, &id.to_string());
    }
    if let Some(limit) = request.limit {
        query.append_pair("limit", &limit.to_string());
    }
    if let Some(sort) = request.sort {
        query.append_pair("sort", sort.as_str());
    }
    query.finish()
}

fn reaction(id: MessageId, emoji: &str) -> String {
    let mut path = format!("/api/messages/{id}/reactions/");
    for byte in emoji.bytes() {
        let _ = write!(path, "%{byte:02X}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_cursors_and_emoji() {
        let id = MessageId::new();
        let page = PageQuery { before: Some(id.uuid()), limit: Some(5), ..PageQuery::default() };
        assert_eq!(paged("/x".to_owned(), page), format!("/x?before={id}&limit=5"));
        assert_eq!(paged("/x".to_owned(), PageQuery::default()), "/x");
        assert_eq!(reaction(id, "👍"), format!("/api/messages/{id}/reactions/%F0%9F%91%8D"));
    }
}
