//! Many people at once: their accounts and sessions are written by the functions that the gateway uses, without a browser's detours.

use ajet_shared::client::{ApiClient, ClientOptions};
use ajet_shared::community::Role;
use ajet_shared::db::sessions::{self, NewSession, SessionKind};
use ajet_shared::db::users::{self, NewUser};
use ajet_shared::db::{Cause, community_members, pool};
use ajet_shared::id::{ChannelId, SessionId, UserId};
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::user::UserKind;
use ajet_shared::{clock, verify};
use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{Person, Stack, Town};

/// So many join in one transaction, which holds the rows of the channels they join.
const AT_ONCE: usize = 25;

/// Somebody about to move in.
struct Newcomer {
    id: UserId,
    name: String,
    token: Token,
    token_hash: String,
}

impl Newcomer {
    async fn new(name: String) -> anyhow::Result<Self> {
        let token = Token::generate(TokenKind::Session);
        let token_hash = verify::hash(&token).await?;
        Ok(Self { id: UserId::new(), name, token, token_hash })
    }
}

impl Town {
    /// So many further people, in the community and in `channels`.
    pub async fn crowd(
        &self,
        stack: &Stack,
        name: &str,
        count: usize,
        channels: &[ChannelId],
    ) -> anyhow::Result<Vec<Person>> {
        self.people(stack, name, count, Some(channels)).await
    }

    /// So many people who have an account and are in no community.
    pub async fn strangers(
        &self,
        stack: &Stack,
        name: &str,
        count: usize,
    ) -> anyhow::Result<Vec<Person>> {
        self.people(stack, name, count, None).await
    }

    async fn people(
        &self,
        stack: &Stack,
        name: &str,
        count: usize,
        channels: Option<&[ChannelId]>,
    ) -> anyhow::Result<Vec<Person>> {
        let newcomers: Vec<Newcomer> = stream::iter(0..count)
            .map(|number| Newcomer::new(format!("{name}{number}")))
            .buffered(2)
            .try_collect()
            .await?;
        let pool = pool(&stack.database_url, "ajet-faults")?;
        for some in newcomers.chunks(AT_ONCE) {
            let mut tx = pool.begin().await?;
            for newcomer in some {
                self.take_in(&mut tx, newcomer, channels).await?;
            }
            tx.commit().await?;
        }
        let options = ClientOptions { user_agent: "ajet-faults", ..ClientOptions::default() };
        let gateways: Vec<(&String, ApiClient)> = stack
            .gateways
            .iter()
            .map(|url| Ok((url, ApiClient::with_options(vec![url.parse()?], &options)?)))
            .collect::<anyhow::Result<_>>()?;
        let people = newcomers.into_iter().zip(gateways.iter().cycle());
        Ok(people
            .map(|(newcomer, (gateway, client))| {
                let token = newcomer.token.to_secret();
                Person {
                    name: newcomer.name,
                    id: newcomer.id,
                    client: self.mayor.client.with_token(&token),
                    own_client: client.with_token(&token),
                    gateway: (*gateway).clone(),
                    host: self.mayor.host.clone(),
                    token,
                }
            })
            .collect())
    }

    async fn take_in(
        &self,
        conn: &mut sqlx::PgConnection,
        newcomer: &Newcomer,
        channels: Option<&[ChannelId]>,
    ) -> anyhow::Result<()> {
        let user = NewUser {
            id: newcomer.id,
            username: newcomer.name.parse().context("the name")?,
            display_name: newcomer.name.parse().context("the name")?,
            email: None,
            avatar_url: None,
            kind: UserKind::Human,
            created_at: clock::now(),
        };
        users::insert(conn, &user).await?;
        if let Some(channels) = channels {
            let (cause, role) = (Cause::by(newcomer.id), Role::Member);
            let (community, id) = (self.community, newcomer.id);
            community_members::join(conn, &cause, community, id, role, channels).await?;
        }
        let session = NewSession {
            id: SessionId::new(),
            user_id: newcomer.id,
            kind: SessionKind::Terminal,
            selector: newcomer.token.selector(),
            token_hash: &newcomer.token_hash,
            ip: None,
            user_agent: Some("ajet-faults"),
        };
        sessions::insert(conn, &session).await?;
        Ok(())
    }
}
