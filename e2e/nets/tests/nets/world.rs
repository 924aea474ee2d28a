//! A small world made through the API: a community of their own with everybody in it who matters, and a second one beside it.

use std::collections::HashMap;

use ajet_nets::person::{Body, Person, text};
use ajet_nets::stack::Stack;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::objects::{Objects, unique};
use crate::table::Route;

/// As whom a route is called, from those who may least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Not signed in.
    Anonymous,
    /// Signed in, in another community.
    Stranger,
    /// Was a member and was removed.
    Ex,
    /// A token that may read messages and nothing else.
    Bot,
    /// A member of the community who is in no channel at stake.
    Onlooker,
    /// A member of both; author of the message at stake.
    Member,
    /// An admin, in the public channel only.
    Admin,
    /// The owner, in both channels.
    Owner,
}

impl Role {
    pub(crate) const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Stranger,
        Self::Ex,
        Self::Bot,
        Self::Onlooker,
        Self::Member,
        Self::Admin,
        Self::Owner,
    ];

    /// Belongs to the community.
    pub(crate) const fn is_inside(self) -> bool {
        !matches!(self, Self::Anonymous | Self::Stranger | Self::Ex)
    }
}

/// Who may see the channel at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Public,
    Private,
}

/// Everybody and everything.
pub(crate) struct World {
    stack: Stack,
    /// The demo's owner, who lets newcomers into the installation.
    host: Person,
    demo: String,
    people: Vec<(Role, Person)>,
    /// In a direct message with the member, and in both channels.
    friend: Person,
    /// Whom others remove, ban and mute: one for each route, because routes are called side by side.
    victims: Mutex<HashMap<String, Person>>,
    community: String,
    slug: String,
    /// Where invites that may be used up lead to.
    elsewhere: String,
}

impl World {
    /// Makes a world whose people have names that begin with `prefix`.
    pub(crate) async fn new(prefix: &str) -> anyhow::Result<Self> {
        let stack = Stack::surrounding()?;
        let host = Person::demo_owner(&stack).await?;
        let demo = text(&host.get("/api/communities").await?, "/items/0/id")?;
        let newcomer =
            async |who: &str| newcomer(&stack, &host, &demo, &format!("{prefix}-{who}")).await;
        let owner = newcomer("owner").await?;
        let made = owner.post("/api/communities", json!({ "name": unique("Nets") })).await?;
        let (community, slug) = (text(&made, "/id")?, text(&made, "/slug")?);
        let stranger = newcomer("stranger").await?;
        let elsewhere =
            stranger.post("/api/communities", json!({ "name": unique("Else") })).await?;
        let mut people = vec![
            (Role::Anonymous, Person::anonymous(&stack)?),
            (Role::Stranger, stranger),
            (Role::Owner, owner.clone()),
        ];
        let inside = async |who: &str| {
            let person = newcomer(who).await?;
            join(&owner, &person, &community).await?;
            anyhow::Ok(person)
        };
        for (role, who) in [
            (Role::Ex, "ex"),
            (Role::Onlooker, "onlooker"),
            (Role::Member, "member"),
            (Role::Admin, "admin"),
        ] {
            people.push((role, inside(who).await?));
        }
        let friend = inside("friend").await?;
        let world = Self {
            stack: stack.clone(),
            host: host.clone(),
            demo: demo.clone(),
            people,
            friend,
            victims: Mutex::default(),
            community,
            slug,
            elsewhere: text(&elsewhere, "/id")?,
        };
        world.settle().await
    }

    /// Gives everybody their role.
    async fn settle(mut self) -> anyhow::Result<Self> {
        let seat = |id: &str| format!("/api/communities/{}/members/{id}", self.community);
        let owner = self.person(Role::Owner);
        let admin = Body::Json(json!({ "role": "admin" }));
        owner.succeed(Method::PATCH, &seat(&self.person(Role::Admin).id), admin).await?;
        owner.succeed(Method::DELETE, &seat(&self.person(Role::Ex).id), Body::Empty).await?;
        let new =
            json!({ "name": unique("bot"), "scopes": ["messages:read"], "expires_in_days": 1 });
        let path = format!("/api/communities/{}/tokens", self.community);
        let made = owner.post(&path, new).await?;
        let (id, secret) = (text(&made, "/user/id")?, text(&made, "/secret")?);
        let bot = Person::with_token(&self.stack, "bot", &id, secret)?;
        self.people.push((Role::Bot, bot));
        Ok(self)
    }

    /// Whoever has this role.
    pub(crate) fn person(&self, role: Role) -> &Person {
        let found = self.people.iter().find(|(held, _)| *held == role);
        &found.expect("everybody is there").1
    }

    /// A code of an invite into another community, where nobody is missed.
    pub(crate) async fn code_elsewhere(&self) -> anyhow::Result<String> {
        self.person(Role::Stranger).invite(&self.elsewhere).await
    }

    /// A new channel of the kind, with a message of the member in it, and whatever else a path may name. What only some paths name
    /// is made only for them: there are limits.
    pub(crate) async fn objects(&self, place: Place, route: &Route) -> anyhow::Result<Objects> {
        let path = route.path.as_str();
        let (owner, member) = (self.person(Role::Owner), self.person(Role::Member));
        let channel_name = unique(match place {
            Place::Public => "open",
            Place::Private => "sealed",
        });
        let channel = self.channel(&channel_name, place).await?;
        let message = say(member, &channel, "what was said").await?;
        let dm =
            text(&member.post("/api/dms", json!({ "user_ids": [self.friend.id] })).await?, "/id")?;
        let mut objects = Objects {
            community: self.community.clone(),
            slug: self.slug.clone(),
            user: self.friend.id.clone(),
            dm_message: say(member, &dm, "between us").await?,
            attachment: self.attachment(&channel, &message).await?,
            channel,
            channel_name,
            message,
            dm,
            ..Objects::default()
        };
        let in_community = |what: &str| format!("/api/communities/{}/{what}", self.community);
        if path.contains("{invite_id}") {
            let new = json!({ "max_uses": 1 });
            objects.invite = text(&owner.post(&in_community("invites"), new).await?, "/id")?;
        }
        if path.contains("/webhooks/{") {
            let new = json!({ "name": unique("hook"), "channel_id": objects.channel });
            objects.webhook = text(&owner.post(&in_community("webhooks"), new).await?, "/id")?;
        }
        if path.contains("/me/tokens/{") {
            let new = json!({ "name": unique("own"), "expires_in_days": 1 });
            objects.own_token = text(&member.post("/api/me/tokens", new).await?, "/id")?;
        } else if path.contains("/tokens/{") {
            let new = json!({ "name": unique("robot"), "expires_in_days": 1 });
            objects.token = text(&owner.post(&in_community("tokens"), new).await?, "/id")?;
        }
        if path.contains("/sessions/") {
            objects.session = self.spare_session().await?;
        }
        if path.contains("{user_id}") || path.contains("/people/{id}") {
            objects.user = self.victim(&format!("{} {place:?}", route.name())).await?.id;
            let add = json!({ "user_id": objects.user });
            owner.post(&format!("/api/channels/{}/members", objects.channel), add).await?;
            if path.contains("/bans/") && route.method == "DELETE" {
                let ban = Body::Json(json!({ "reason": "a test" }));
                owner
                    .succeed(Method::PUT, &in_community(&format!("bans/{}", objects.user)), ban)
                    .await?;
            }
        }
        Ok(objects)
    }

    /// The member whom calls of a route are about; there again whatever the last call did to them.
    async fn victim(&self, route: &str) -> anyhow::Result<Person> {
        let known = self.victims.lock().await.get(route).cloned();
        let owner = self.person(Role::Owner);
        let victim = if let Some(known) = known {
            let ban = format!("/api/communities/{}/bans/{}", self.community, known.id);
            owner.call(Method::DELETE, &ban, Body::Empty).await?;
            known
        } else {
            let new = newcomer(&self.stack, &self.host, &self.demo, "victim").await?;
            self.victims.lock().await.insert(route.to_owned(), new.clone());
            new
        };
        join(owner, &victim, &self.community).await?;
        Ok(victim)
    }

    async fn channel(&self, name: &str, place: Place) -> anyhow::Result<String> {
        let owner = self.person(Role::Owner);
        let visibility = match place {
            Place::Public => "public",
            Place::Private => "private",
        };
        let new = json!({ "name": name, "visibility": visibility });
        let path = format!("/api/communities/{}/channels", self.community);
        let channel = text(&owner.post(&path, new).await?, "/id")?;
        let mut others = vec![&self.person(Role::Member).id, &self.friend.id];
        if place == Place::Public {
            others.push(&self.person(Role::Admin).id);
        }
        for id in others {
            let add = json!({ "user_id": id });
            owner.post(&format!("/api/channels/{channel}/members"), add).await?;
        }
        Ok(channel)
    }

    /// A file on the message. Written into the database: a file's right is its channel's, whatever way it came there.
    async fn attachment(&self, channel: &str, message: &str) -> anyhow::Result<String> {
        let (id, user) = (Uuid::now_v7(), self.person(Role::Member).id.parse::<Uuid>()?);
        let (channel, message) = (channel.parse::<Uuid>()?, message.parse::<Uuid>()?);
        let mut conn = PgConnection::connect(&self.stack.database_url).await?;
        sqlx::query(
            "INSERT INTO attachments (id, message_id, channel_id, user_id, filename, content_type, size_bytes, storage_key) \
             VALUES ($1, $2, $3, $4, 'note.txt', 'text/plain', 1, $1::text)",
        )
        .bind(id)
        .bind(message)
        .bind(channel)
        .bind(user)
        .execute(&mut conn)
        .await?;
        conn.close().await?;
        Ok(id.to_string())
    }

    /// A second session of the member, which may be ended.
    async fn spare_session(&self) -> anyhow::Result<String> {
        let member = self.person(Role::Member);
        let spare = Person::sign_in(&self.stack, &member.name, None).await?;
        let sessions = spare.get("/api/me/sessions").await?;
        let own = sessions["items"].as_array().into_iter().flatten();
        let current = own.clone().find(|session| session["current"] == Value::Bool(true));
        text(current.or_else(|| own.clone().next()).unwrap_or(&Value::Null), "/id")
    }

    /// The same person with a session that may be ended.
    pub(crate) async fn again(&self, role: Role) -> anyhow::Result<Person> {
        match role {
            Role::Anonymous | Role::Bot => Ok(self.person(role).clone()),
            _ => Person::sign_in(&self.stack, &self.person(role).name, None).await,
        }
    }
}

/// Somebody new, who belongs nowhere yet: the demo was only the way in.
async fn newcomer(stack: &Stack, host: &Person, demo: &str, who: &str) -> anyhow::Result<Person> {
    let person = Person::invited(stack, &unique(who), host, demo).await?;
    let seat = format!("/api/communities/{demo}/members/{}", person.id);
    host.succeed(Method::DELETE, &seat, Body::Empty).await?;
    Ok(person)
}

/// Lets a person into a community, by an invite.
async fn join(host: &Person, person: &Person, community: &str) -> anyhow::Result<()> {
    let code = host.invite(community).await?;
    person.post("/api/invites/accept", json!({ "code": code })).await.map(drop)
}

/// Writes a message and gives its id.
async fn say(person: &Person, channel: &str, words: &str) -> anyhow::Result<String> {
    let new = json!({ "body_md": words, "client_msg_id": Uuid::now_v7() });
    text(&person.post(&format!("/api/channels/{channel}/messages"), new).await?, "/id")
}
