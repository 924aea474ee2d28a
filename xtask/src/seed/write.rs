//! Writes the demo into the tables.

use std::collections::HashMap;

use ajet_shared::id::{ChannelId, CommunityId, MessageId};
use ajet_shared::markdown::mentions;
use ajet_shared::storage::storage_key;
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::{NoContext, Timestamp, Uuid};

use super::talk::{Channel, Message};
use super::{SLUG, UPLOADS, Upload};
use crate::demo::PEOPLE;

/// Everybody existed before the first word.
const BEFORE: Duration = Duration::days(21);

/// Writes everything, and gives the files that belong into the object store, with their keys.
pub(super) async fn everything(
    connection: &mut PgConnection,
    channels: &[Channel],
    now: OffsetDateTime,
) -> anyhow::Result<Vec<(String, &'static Upload)>> {
    let people = people(connection, now - BEFORE).await?;
    let community = community(connection, &people, now - BEFORE).await?;
    let mut files = Vec::new();
    for channel in channels {
        let writer = Writer { people: &people, community, channel, id: id_at(now - BEFORE) };
        writer.channel(connection, now - BEFORE).await?;
        let ids = writer.messages(connection).await?;
        writer.reactions(connection, &ids).await?;
        writer.notices(connection, &ids).await?;
        files.extend(writer.files(connection, &ids).await?);
    }
    Ok(files)
}

/// An id that sorts where its time is.
fn id_at(at: OffsetDateTime) -> Uuid {
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.nanosecond()))
}

async fn people(connection: &mut PgConnection, at: OffsetDateTime) -> anyhow::Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for person in PEOPLE {
        let id = id_at(at);
        sqlx::query("insert into users (id, username, display_name, email, created_at) values ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(person.login)
            .bind(person.name)
            .bind(format!("{}@example.org", person.login))
            .bind(at)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "insert into oauth_accounts (id, user_id, provider, provider_user_id, provider_login, created_at)
             values ($1, $2, 'dev', $3, $4, $5)",
        )
        .bind(id_at(at))
        .bind(id)
        .bind(person.id.to_string())
        .bind(person.login)
        .bind(at)
        .execute(&mut *connection)
        .await?;
        ids.push(id);
    }
    Ok(ids)
}

async fn community(
    connection: &mut PgConnection,
    people: &[Uuid],
    at: OffsetDateTime,
) -> anyhow::Result<Uuid> {
    let id = id_at(at);
    sqlx::query(
        "insert into communities (id, name, slug, description, created_by, created_at)
         values ($1, 'Saltmarsh Labs', $2, 'Water levels for everybody who lives beside the water', $3, $4)",
    )
    .bind(id)
    .bind(SLUG)
    .bind(people[0])
    .bind(at)
    .execute(&mut *connection)
    .await?;
    let roles: Vec<_> = PEOPLE.iter().map(|person| person.role).collect();
    sqlx::query(
        "insert into community_members (community_id, user_id, role, joined_at)
         select $1, user_id, role, $2 from unnest($3::uuid[], $4::text[]) as them (user_id, role)",
    )
    .bind(id)
    .bind(at)
    .bind(people)
    .bind(roles)
    .execute(&mut *connection)
    .await?;
    Ok(id)
}

/// Writes one channel.
struct Writer<'a> {
    people: &'a [Uuid],
    community: Uuid,
    channel: &'a Channel,
    id: Uuid,
}

impl Writer<'_> {
    async fn channel(
        &self,
        connection: &mut PgConnection,
        at: OffsetDateTime,
    ) -> anyhow::Result<()> {
        let Channel { name, topic, private, default, members, messages, .. } = self.channel;
        sqlx::query(
            "insert into channels (id, community_id, visibility, name, topic, is_default, last_seq, created_by, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.id)
        .bind(self.community)
        .bind(if *private { "private" } else { "public" })
        .bind(name)
        .bind(topic)
        .bind(default)
        .bind(seq(messages.len())? - 1)
        .bind(self.people[0])
        .bind(at)
        .execute(&mut *connection)
        .await?;
        for &member in members {
            sqlx::query("insert into channel_members (channel_id, user_id, last_read_seq, joined_at) values ($1, $2, $3, $4)")
                .bind(self.id)
                .bind(self.people[member])
                .bind(self.last_read(member)?)
                .bind(at)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// The number up to which somebody has read. Unread are messages of others outside threads.
    fn last_read(&self, person: usize) -> anyhow::Result<i64> {
        let messages = &self.channel.messages;
        let unread = self.channel.unread.get(&person).copied().unwrap_or_default();
        let others =
            |(_, message): &(usize, &Message)| message.author != person && message.parent.is_none();
        let first_unread = match unread {
            0 => None,
            unread => messages.iter().enumerate().filter(others).rev().nth(unread - 1),
        };
        first_unread
            .map_or_else(|| seq(messages.len()), |(place, _)| seq(place))
            .map(|next| next - 1)
    }

    async fn messages(&self, connection: &mut PgConnection) -> anyhow::Result<Vec<Uuid>> {
        let messages = &self.channel.messages;
        let ids: Vec<_> = messages.iter().map(|message| id_at(message.at)).collect();
        for (place, message) in messages.iter().enumerate() {
            let replies: Vec<_> =
                messages.iter().filter(|reply| reply.parent == Some(place)).collect();
            let mut participants: Vec<Uuid> = Vec::new();
            for reply in &replies {
                let who = self.people[reply.author];
                if !participants.contains(&who) {
                    participants.push(who);
                }
            }
            sqlx::query(
                "insert into messages (id, channel_id, seq, user_id, client_msg_id, request_hash, parent_id, body_md,
                                       reply_count, last_reply_at, thread_participants, created_at, edited_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            )
            .bind(ids[place])
            .bind(self.id)
            .bind(seq(place)?)
            .bind(self.people[message.author])
            .bind(Uuid::now_v7())
            .bind(Sha256::digest(&message.text).to_vec())
            .bind(message.parent.map(|parent| ids[parent]))
            .bind(&message.text)
            .bind(i32::try_from(replies.len())?)
            .bind(replies.last().map(|reply| reply.at))
            .bind(participants)
            .bind(message.at)
            .bind(message.edited.then(|| message.at + Duration::seconds(45)))
            .execute(&mut *connection)
            .await?;
        }
        Ok(ids)
    }

    async fn reactions(&self, connection: &mut PgConnection, ids: &[Uuid]) -> anyhow::Result<()> {
        for (message, id) in self.channel.messages.iter().zip(ids) {
            for (order, (emoji, who)) in (1..).zip(&message.reactions) {
                sqlx::query("insert into reactions (message_id, user_id, emoji, created_at) values ($1, $2, $3, $4)")
                    .bind(id)
                    .bind(self.people[*who])
                    .bind(emoji)
                    .bind(message.at + Duration::seconds(order))
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Ok(())
    }

    /// Mentions, who follows which thread, and what everybody was told of both.
    async fn notices(&self, connection: &mut PgConnection, ids: &[Uuid]) -> anyhow::Result<()> {
        let messages = &self.channel.messages;
        // Who is in a thread so far, by the place of its root.
        let mut threads: HashMap<usize, Vec<usize>> = HashMap::new();
        for (place, message) in messages.iter().enumerate() {
            let called = mentions(&message.text);
            let by_name: Vec<_> = self.people_called(&called.users).collect();
            for (kind, target) in by_name
                .iter()
                .map(|&person| ("user", self.people[person]))
                .chain(called.channel.then_some(("channel", self.id)))
                .chain(called.here.then_some(("here", self.id)))
            {
                sqlx::query("insert into mentions (id, message_id, target_type, target_id) values ($1, $2, $3, $4)")
                    .bind(id_at(message.at))
                    .bind(ids[place])
                    .bind(kind)
                    .bind(target)
                    .execute(&mut *connection)
                    .await?;
            }
            let everybody = called.channel || called.here;
            let thread = message.parent.map(|root| {
                let followers = threads.entry(root).or_insert_with(|| vec![messages[root].author]);
                let told = followers.clone();
                if !followers.contains(&message.author) {
                    followers.push(message.author);
                }
                told
            });
            for &person in self.channel.members.iter().filter(|&&person| person != message.author) {
                let kind = if everybody || by_name.contains(&person) {
                    "mention"
                } else if thread.as_ref().is_some_and(|told| told.contains(&person)) {
                    "thread_reply"
                } else {
                    continue;
                };
                self.notify(connection, person, kind, place, ids[place]).await?;
            }
        }
        for (root, followers) in threads {
            for person in followers {
                sqlx::query("insert into thread_followers (message_id, user_id, created_at) values ($1, $2, $3)")
                    .bind(ids[root])
                    .bind(self.people[person])
                    .bind(messages[root].at)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Ok(())
    }

    fn people_called<'a>(&self, names: &'a [String]) -> impl Iterator<Item = usize> + use<'a, '_> {
        let members = &self.channel.members;
        let known =
            names.iter().filter_map(|name| PEOPLE.iter().position(|person| person.login == name));
        known.filter(|person| members.contains(person))
    }

    async fn notify(
        &self,
        connection: &mut PgConnection,
        person: usize,
        kind: &str,
        place: usize,
        id: Uuid,
    ) -> anyhow::Result<()> {
        let message = &self.channel.messages[place];
        let read = seq(place)? <= self.last_read(person)?;
        sqlx::query(
            "insert into notifications (id, user_id, type, source_id, actor_id, community_id, channel_id, channel_seq,
                                        read, read_at, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id_at(message.at))
        .bind(self.people[person])
        .bind(kind)
        .bind(id)
        .bind(self.people[message.author])
        .bind(self.community)
        .bind(self.id)
        .bind(seq(place)?)
        .bind(read)
        .bind(read.then(|| message.at + Duration::minutes(5)))
        .bind(message.at)
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn files(
        &self,
        connection: &mut PgConnection,
        ids: &[Uuid],
    ) -> anyhow::Result<Vec<(String, &'static Upload)>> {
        let mut files = Vec::new();
        for (message, id) in self.channel.messages.iter().zip(ids) {
            let Some(name) = &message.file else { continue };
            let upload = UPLOADS.iter().find(|upload| upload.name == name);
            let upload = upload.with_context(|| format!("there is no file {name}"))?;
            let community = Some(CommunityId::from(self.community));
            let key = storage_key(
                community,
                ChannelId::from(self.id),
                MessageId::from(*id),
                upload.name,
                &[],
            );
            sqlx::query(
                "insert into attachments (id, message_id, channel_id, user_id, filename, content_type, size_bytes,
                                          storage_key, width, height, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .bind(id_at(message.at))
            .bind(id)
            .bind(self.id)
            .bind(self.people[message.author])
            .bind(upload.name)
            .bind(upload.content_type)
            .bind(i64::try_from(upload.bytes.len())?)
            .bind(&key)
            .bind(upload.dimensions.map(|(width, _)| width))
            .bind(upload.dimensions.map(|(_, height)| height))
            .bind(message.at)
            .execute(&mut *connection)
            .await?;
            files.push((key, upload));
        }
        Ok(files)
    }
}

/// The number of the message at this place: they begin with 1.
fn seq(place: usize) -> anyhow::Result<i64> {
    Ok(i64::try_from(place)? + 1)
}
