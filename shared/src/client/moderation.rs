//! The api's routes for keeping order: bans, mutes, purges, the audit log.

use super::routes::{delete, get, paged, post, put};
use super::{ApiClient, ClientError};
use crate::channel::{ChannelView, NotifyLevel};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::moderation::{
    AuditEntry, Ban, BanMember, MuteMember, Muted, Purge, Purged, SetNickname, SetNotifyLevel,
};
use crate::page::{Page, PageQuery};

impl ApiClient {
    /// Who may not come back to a community for now.
    pub async fn bans(&self, id: CommunityId, page: PageQuery) -> Result<Page<Ban>, ClientError> {
        self.json(get(paged(format!("/api/communities/{id}/bans"), page))).await
    }

    /// Bans a member, which takes them out of the community; or changes the ban somebody has.
    pub async fn ban(
        &self,
        id: CommunityId,
        user: UserId,
        ban: &BanMember,
    ) -> Result<Ban, ClientError> {
        self.json(put(format!("/api/communities/{id}/bans/{user}"), ban)).await
    }

    /// Lifts a ban.
    pub async fn unban(&self, id: CommunityId, user: UserId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/bans/{user}"))).await
    }

    /// Silences a member for a while, or until it is lifted.
    pub async fn mute(
        &self,
        id: CommunityId,
        user: UserId,
        for_seconds: Option<i64>,
    ) -> Result<Muted, ClientError> {
        let path = format!("/api/communities/{id}/members/{user}/mute");
        self.json(put(path, &MuteMember { for_seconds })).await
    }

    /// Lets a member speak again.
    pub async fn unmute(&self, id: CommunityId, user: UserId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/members/{user}/mute"))).await
    }

    /// Gives the caller another name in a community, or their own again.
    pub async fn set_nickname(
        &self,
        id: CommunityId,
        nickname: Option<String>,
    ) -> Result<(), ClientError> {
        self.done(put(format!("/api/communities/{id}/nickname"), &SetNickname { nickname })).await
    }

    /// What was done in a community, the newest last; only acts of one kind, if it is named (`noun.verb`).
    pub async fn audit(
        &self,
        id: CommunityId,
        action: Option<&str>,
        page: PageQuery,
    ) -> Result<Page<AuditEntry>, ClientError> {
        let path = format!("/api/communities/{id}/audit");
        let query = action.map(|action| format!("?action={action}")).unwrap_or_default();
        self.json(get(paged(format!("{path}{query}"), page))).await
    }

    /// Chooses what of a channel notifies the caller.
    pub async fn set_notify_level(
        &self,
        id: ChannelId,
        notify_level: NotifyLevel,
    ) -> Result<ChannelView, ClientError> {
        let path = format!("/api/channels/{id}/notify-level");
        self.json(put(path, &SetNotifyLevel { notify_level })).await
    }

    /// Deletes the newest messages of a channel.
    pub async fn purge(&self, id: ChannelId, count: u32) -> Result<Purged, ClientError> {
        self.json(post(format!("/api/channels/{id}/purge"), &Purge { count })).await
    }
}
