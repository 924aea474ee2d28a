//! Who takes part, and where.

use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::client::{ApiClient, ClientOptions, HeaderValue};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, UserId};
use ajet_shared::message::{Message, PostMessage};
use ajet_shared::secret::Secret;
use anyhow::Context as _;

use crate::Stack;
use crate::browser::stream_of;

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

impl Person {
    /// Says one thing, once.
    pub async fn say(&self, channel: ChannelId, text: &str) -> anyhow::Result<Message> {
        let request = PostMessage {
            body_md: text.parse()?,
            client_msg_id: ClientMessageId::new(),
            parent_id: None,
            attachment_ids: Vec::new(),
        };
        Ok(self.client.post_message(channel, &request).await?)
    }

    /// Something at their own gateway, with the cookie of their browser.
    pub fn browses(&self, http: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
        http.get(format!("{}{path}", self.gateway))
            .header("host", self.host.clone())
            .header("cookie", format!("ajet_session={}", self.token.expose()))
    }

    /// Something at their own gateway, with the token of their terminal.
    pub fn asks(&self, http: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
        http.get(format!("{}{path}", self.gateway))
            .header("host", self.host.clone())
            .bearer_auth(self.token.expose())
    }

    /// Loads a page; gives the address of its stream.
    pub async fn page_stream(&self, http: &reqwest::Client, path: &str) -> anyhow::Result<String> {
        let request = self.browses(http, path).header("accept", "text/html");
        let html = request.send().await?.error_for_status()?.text().await?;
        stream_of(&html).context("the page opens no stream")
    }
}

/// People and channels of one test, in the one community of the stack; everybody is in every channel.
#[derive(Clone, Debug)]
pub struct Town {
    /// Owns the community, made the channels, neither writes nor reads.
    pub mayor: Person,
    /// The community.
    pub community: CommunityId,
    /// Those who write.
    pub writers: Vec<Person>,
    /// Those who read.
    pub readers: Vec<Person>,
    /// Public ones, and a private one at the end.
    pub channels: Vec<ChannelId>,
    /// Their names.
    pub names: Vec<String>,
}

impl Town {
    /// Founds it; `test` keeps its names apart from those of others.
    pub(crate) async fn found(
        stack: &Stack,
        test: &str,
        writers: usize,
        readers: usize,
    ) -> anyhow::Result<Self> {
        let test = test.to_lowercase();
        let mayor = match move_in(stack, "mayor", 0, None).await {
            Ok(mayor) => mayor,
            // The first one who comes founds the community.
            Err(_) => move_in(stack, "mayor", 0, Some("Faults")).await?,
        };
        let mut people = Vec::with_capacity(writers + readers);
        for index in 0..writers + readers {
            let (kind, number) =
                if index < writers { ("writer", index) } else { ("reader", index - writers) };
            people.push(move_in(stack, &format!("{test}-{kind}{number}"), index, None).await?);
        }
        let readers = people.split_off(writers);
        let sync = mayor.client.sync().await?;
        let community = sync.communities.first().context("the mayor is in no community")?;
        let mut town = Self {
            mayor,
            community: community.community.id,
            writers: people,
            readers,
            channels: Vec::new(),
            names: Vec::new(),
        };
        for (name, visibility) in [
            ("harbour", Visibility::Public),
            ("market", Visibility::Public),
            ("garden", Visibility::Public),
            ("cellar", Visibility::Private),
        ] {
            let name = format!("{name}-{test}");
            town.channels.push(town.open_channel(&name, visibility).await?);
            town.names.push(name);
        }
        Ok(town)
    }

    /// A channel of the mayor's own: what is said there is none of the readers' business, and no checker's.
    pub async fn aside(&self, name: &str, visibility: Visibility) -> anyhow::Result<ChannelId> {
        let new = CreateChannel { name: name.parse()?, visibility, topic: None };
        Ok(self.mayor.client.create_channel(self.community, &new).await?.channel.id)
    }

    /// A further channel with everybody in it. It is not among [`Town::channels`].
    pub async fn open_channel(
        &self,
        name: &str,
        visibility: Visibility,
    ) -> anyhow::Result<ChannelId> {
        let channel = self.aside(name, visibility).await?;
        for person in self.writers.iter().chain(&self.readers) {
            self.mayor.client.add_channel_member(channel, person.id).await?;
        }
        Ok(channel)
    }
}

/// Signs somebody in, at the gateways by turns.
pub async fn move_in(
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
