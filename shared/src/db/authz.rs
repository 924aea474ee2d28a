//! Rights as SQL: the facts that `authorize` decides on, and the predicate that lists use.
//!
//! [`visible_channels`] and `authorize(ReadChannel)` say the same thing, once for sets and once for one row.

use sea_query::{
    Alias, CommonTableExpression, Condition, Expr, ExprTrait, JoinType, LockType, Query,
    SelectStatement, WithClause, WithQuery,
};
use sqlx::PgConnection;

use super::iden::{ChannelMembers, Channels, CommunityMembers};
use super::{channels, communities, community_members};
use crate::actions::{ChannelFacts, Resource};
use crate::channel::Channel;
use crate::community::Role;
use crate::id::{ChannelId, CommunityId, UserId};

/// A channel as one person stands to it: everything `authorize` wants to know.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one fact each, as the row has them")]
pub struct Access {
    /// The channel.
    #[sqlx(flatten)]
    pub channel: Channel,
    /// Everybody who joins the community joins this channel.
    pub is_default: bool,
    /// The person's role in the channel's community.
    pub role: Option<Role>,
    /// The person is in the channel.
    pub joined: bool,
    /// The person may not write in the community for now.
    pub muted: bool,
    /// The channel's community lets plain members make invites; not looked up by a post.
    #[sqlx(default)]
    pub members_may_invite: bool,
}

impl Access {
    /// The facts about the channel.
    #[must_use]
    pub const fn facts(&self) -> ChannelFacts {
        ChannelFacts {
            id: self.channel.id,
            kind: self.channel.kind,
            visibility: self.channel.visibility,
            archived: self.channel.archived_at.is_some(),
            joined: self.joined,
            muted: self.muted,
        }
    }

    /// The facts as the resource of an action; callers fill in what concerns a message or another member.
    #[must_use]
    pub fn resource(&self) -> Resource {
        Resource {
            role: self.role,
            channel: Some(self.facts()),
            members_may_invite: self.members_may_invite,
            ..Resource::default()
        }
    }
}

/// How somebody stands to a channel, to read it. None: there is no such channel at all.
pub async fn channel_access(
    conn: &mut PgConnection,
    user_id: UserId,
    channel_id: ChannelId,
) -> Result<Option<Access>, sqlx::Error> {
    super::fetch_optional(conn, &access_statement(user_id, channel_id, false)).await
}

/// How somebody stands to a channel, to change something there, perhaps about `others`: holds the membership, the role of the
/// one who acts and the roles of the others until the transaction ends, so that none of it changes between decision and deed.
pub async fn channel_access_held(
    conn: &mut PgConnection,
    user_id: UserId,
    channel_id: ChannelId,
    others: &[UserId],
) -> Result<Option<Access>, sqlx::Error> {
    // A statement of its own, so that the next one sees what this one waited for, and in the order that a kick locks in.
    hold_seats(conn, channel_id, &[&[user_id], others].concat()).await?;
    super::fetch_optional(conn, &access_statement(user_id, channel_id, true)).await
}

/// Holds the roles of these people in the community of a channel until the transaction ends.
pub async fn hold_seats(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    people: &[UserId],
) -> Result<(), sqlx::Error> {
    let statement = Query::select()
        .column(Channels::CommunityId)
        .from(Channels::Table)
        .and_where(Expr::col(Channels::Id).eq(channel_id))
        .to_owned();
    let home = super::fetch_scalar::<Option<CommunityId>>(conn, &statement).await?.flatten();
    if let Some(community_id) = home {
        community_members::hold(conn, community_id, people).await?;
    }
    Ok(())
}

fn access_statement(user_id: UserId, channel_id: ChannelId, hold: bool) -> WithQuery {
    let membership = Alias::new("membership");
    let mut member = Query::select();
    member
        .column(ChannelMembers::ChannelId)
        .from(ChannelMembers::Table)
        .and_where(Expr::col(ChannelMembers::ChannelId).eq(channel_id))
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id));
    if hold {
        // Conflicts with the delete of a kick, not with moving a read mark.
        member.lock(LockType::KeyShare);
    }
    let mut select = channels::select();
    select
        .column((Channels::Table, Channels::IsDefault))
        .column((CommunityMembers::Table, CommunityMembers::Role))
        .expr_as(Expr::col((membership.clone(), ChannelMembers::ChannelId)).is_not_null(), "joined")
        .expr_as(Expr::cust("coalesce(community_members.muted_until > now(), false)"), "muted")
        .expr_as(
            Expr::cust("coalesce((SELECT members_may_invite FROM communities WHERE communities.id = channels.community_id), false)"),
            "members_may_invite",
        )
        .join(
            JoinType::LeftJoin,
            membership.clone(),
            Expr::col((membership.clone(), ChannelMembers::ChannelId))
                .equals((Channels::Table, Channels::Id)),
        )
        .join(
            JoinType::LeftJoin,
            CommunityMembers::Table,
            Condition::all()
                .add(
                    Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId))
                        .equals((Channels::Table, Channels::CommunityId)),
                )
                .add(Expr::col((CommunityMembers::Table, CommunityMembers::UserId)).eq(user_id)),
        )
        .and_where(Expr::col((Channels::Table, Channels::Id)).eq(channel_id));
    let cte = CommonTableExpression::new().table_name(membership).query(member).to_owned();
    select.with(WithClause::new().cte(cte).to_owned())
}

/// The facts about a community for one person, to read it.
pub async fn community_resource(
    conn: &mut PgConnection,
    user_id: UserId,
    community_id: CommunityId,
) -> Result<Resource, sqlx::Error> {
    standing(conn, user_id, community_id).await
}

/// The same to change something: holds the person's role until the transaction ends.
pub async fn community_resource_held(
    conn: &mut PgConnection,
    user_id: UserId,
    community_id: CommunityId,
) -> Result<Resource, sqlx::Error> {
    // A statement of its own, so that the next one sees what this one waited for.
    community_members::hold(conn, community_id, &[user_id]).await?;
    standing(conn, user_id, community_id).await
}

async fn standing(
    conn: &mut PgConnection,
    user_id: UserId,
    community_id: CommunityId,
) -> Result<Resource, sqlx::Error> {
    let statement = Query::select()
        .column(CommunityMembers::Role)
        .expr(Expr::cust("coalesce(muted_until > now(), false)"))
        .from(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .to_owned();
    let found = super::fetch_optional::<(Role, bool)>(conn, &statement).await?;
    let (role, muted) = found.map_or((None, false), |(role, muted)| (Some(role), muted));
    Ok(Resource { role, muted, ..Resource::default() })
}

/// The same to make an invite: what the community lets its members do is held as well.
pub async fn inviter_resource_held(
    conn: &mut PgConnection,
    user_id: UserId,
    community_id: CommunityId,
) -> Result<Resource, sqlx::Error> {
    let resource = community_resource_held(conn, user_id, community_id).await?;
    let members_may_invite = communities::hold_members_may_invite(conn, community_id).await?;
    Ok(Resource { members_may_invite, ..resource })
}

/// Channels somebody may read, as a condition on a query over `channels`: those they are in, and public ones of their communities.
#[must_use]
pub fn visible_channels(user_id: UserId) -> Condition {
    let id = || Expr::col((Channels::Table, Channels::Id));
    let community = || Expr::col((Channels::Table, Channels::CommunityId));
    let joined = id().in_subquery(joined_channels(user_id));
    let in_community = || community().in_subquery(communities_of(user_id));
    Condition::any()
        .add(
            Condition::all()
                .add(joined.clone())
                .add(Condition::any().add(community().is_null()).add(in_community())),
        )
        .add(
            Condition::all()
                .add(Expr::col((Channels::Table, Channels::Visibility)).eq("public"))
                .add(in_community()),
        )
}

/// Ids of the channels somebody is in.
pub(crate) fn joined_channels(user_id: UserId) -> SelectStatement {
    Query::select()
        .column(ChannelMembers::ChannelId)
        .from(ChannelMembers::Table)
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id))
        .to_owned()
}

/// Ids of the communities somebody belongs to.
pub(crate) fn communities_of(user_id: UserId) -> SelectStatement {
    Query::select()
        .column(CommunityMembers::CommunityId)
        .from(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use sea_query::PostgresQueryBuilder;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn writing_holds_the_membership_and_reading_does_not() {
        let (user, channel) = (UserId::from(Uuid::nil()), ChannelId::from(Uuid::nil()));
        let reading = access_statement(user, channel, false).to_string(PostgresQueryBuilder);
        let writing = access_statement(user, channel, true).to_string(PostgresQueryBuilder);
        assert!(!reading.contains(" FOR "), "{reading}");
        assert_eq!(writing.matches(" FOR KEY SHARE").count(), 1, "{writing}");
        assert_eq!(writing.replace(" FOR KEY SHARE", ""), reading);
    }

    #[test]
    fn the_visible_are_the_joined_and_the_public_of_ones_communities() {
        let statement = Query::select()
            .column(Channels::Id)
            .from(Channels::Table)
            .cond_where(visible_channels(UserId::from(Uuid::nil())))
            .to_owned();
        let nil = Uuid::nil();
        let communities = format!(
            r#""channels"."community_id" IN (SELECT "community_id" FROM "community_members" WHERE "user_id" = '{nil}')"#
        );
        assert_eq!(
            statement.to_string(PostgresQueryBuilder),
            format!(
                r#"SELECT "id" FROM "channels" WHERE ("channels"."id" IN (SELECT "channel_id" FROM "channel_members" WHERE "user_id" = '{nil}') AND ("channels"."community_id" IS NULL OR {communities})) OR ("channels"."visibility" = 'public' AND {communities})"#
            )
        );
    }
}
