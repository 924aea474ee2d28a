//! Who takes part, and where.

use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::client::{ApiClient, ClientOptions, HeaderValue};
use ajet_shared::id::{ChannelId, UserId};
use ajet_shared::secret::Secret;
use anyhow::Context as _;

use crate::Stack;

/// Somebody with a session.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their login name.
    pub name: String,
    /// Their id.
    pub id: UserId,
    /// Speaks for them at the public address.
    pub client: ApiClient,
    /// The same through a gateway of their own; calls must bring [`Person::host`].
    pub own_client: ApiClient,
    /// That gateway.
    pub gateway: String,
    /// The authority of the public address: every gateway answers to this name only.
    pub host: HeaderValue,
    /// Their session.
    pub token: Secret,
}

/// A community in which everybody is in every channel.
#[derive(Clone, Debug)]
pub struct Town {
    /// Those who write; the first one owns the community.
    pub writers: Vec<Person>,
    /// Those who read.
    pub readers: Vec<Person>,
    /// Public ones, and a private one at the end.
    pub channels: Vec<ChannelId>,
    /// Their names.
    pub names: Vec<String>,
}

impl Town {
    /// Founds it in an empty stack.
    pub async fn found(stack: &Stack, writers: usize, readers: usize) -> anyhow::Result<Self> {
        let mut people = Vec::with_capacity(writers + readers);
        for index in 0..writers + readers {
            let (kind, number) =
                if index < writers { ("writer", index) } else { ("reader", index - writers) };
            let community = (index == 0).then_some("Faults");
            people.push(move_in(stack, &format!("{kind}{number}"), index, community).await?);
        }
        let readers = people.split_off(writers);
        let mut town = Self { writers: people, readers, channels: Vec::new(), names: Vec::new() };
        town.open_channels().await?;
        Ok(town)
    }

    async fn open_channels(&mut self) -> anyhow::Result<()> {
        let owner = &self.writers[0].client;
        let sync = owner.sync().await?;
        let community = sync.communities.first().context("the owner is in no community")?;
        for view in &community.channels {
            self.channels.push(view.channel.id);
            self.names.extend(view.channel.name.clone());
        }
        for (name, visibility) in [
            ("harbour", Visibility::Public),
            ("market", Visibility::Public),
            ("cellar", Visibility::Private),
        ] {
            let new = CreateChannel { name: name.parse()?, visibility, topic: None };
            let channel = owner.create_channel(community.community.id, &new).await?.channel.id;
            for person in self.writers[1..].iter().chain(&self.readers) {
                owner.add_channel_member(channel, person.id).await?;
            }
            self.channels.push(channel);
            self.names.push(name.to_owned());
        }
        Ok(())
    }
}

/// Signs somebody in, at the gateways by turns.
async fn move_in(
    stack: &Stack,
    name: &str,
    index: usize,
    community: Option<&str>,
) -> anyhow::Result<Person> {
    let token = stack.sign_in(name, community).await?;
    let gateway = stack.gateways[index % stack.gateways.len()].clone();
    let options = ClientOptions { user_agent: "ajet-faults", ..ClientOptions::default() };
    let at = |address: &str| -> anyhow::Result<ApiClient> {
        Ok(ApiClient::with_options(vec![address.parse()?], &options)?.with_token(&token))
    };
    let client = at(&stack.public_url)?;
    let own_client = at(&gateway)?;
    let id = client.me().await?.user.id;
    let host = stack.public_url.trim_start_matches("http://").trim_end_matches('/').parse()?;
    Ok(Person { name: name.to_owned(), id, client, own_client, gateway, host, token })
}
