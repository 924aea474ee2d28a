//! Reads what a page shows. Pages and resyncs go through here alike, so there is no second way to draw the same thing.

use std::collections::HashMap;

use ajet_shared::channel::ChannelView;
use ajet_shared::clock;
use ajet_shared::community::Role;
use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::message::Message;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::problem::Problem;
use ajet_shared::user::User;

use crate::frames::{Frames, Mode};
use crate::state::{App, Caller};
use crate::urls;
use crate::view::composer::Composer;
use crate::view::header::{self, Header};
use crate::view::message::Tail;
use crate::view::pages::{ChannelPage, Pane};
use crate::view::shell::{Shell, View, World};
use crate::view::{members, render, thread, timeline};

/// Messages of a first view. Source: design.md section 12.
const FIRST_VIEW: u16 = 50;
/// Read messages kept above the first unread one.
const ABOVE_UNREAD: i64 = 10;

/// What a page is about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A channel by its address.
    Named {
        /// Of its community.
        slug: String,
        /// Its name.
        name: String,
    },
    /// A direct message, beside this community.
    Direct {
        /// Which.
        id: ChannelId,
        /// The community, if the address says so.
        slug: Option<String>,
    },
    /// Any channel by its id, beside its own or this community.
    Id {
        /// Which.
        id: ChannelId,
        /// The community on show.
        community: Option<CommunityId>,
    },
}

/// What stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing.
    #[default]
    Nothing,
    /// A thread.
    Thread(MessageId),
    /// Who is in the channel.
    Members,
}

/// Everything of a channel's page.
pub(crate) struct Loaded {
    pub(crate) world: World,
    pub(crate) page: Page<Message>,
    pub(crate) around: Option<MessageId>,
    pub(crate) thread: Option<(Message, Vec<Message>)>,
    people: Option<Vec<(User, Option<Role>)>>,
    back: String,
    path: String,
    label: String,
    place: String,
}

impl Caller {
    /// Reads a channel's page. The cursor, inside the sync, comes first: what happens while the rest is read comes again with the stream.
    pub(crate) async fn load(
        &self,
        app: &App,
        subject: &Subject,
        around: Option<MessageId>,
        beside: Beside,
    ) -> Result<Loaded, Problem> {
        let mut world = self.world(app).await?;
        self.find(&mut world, subject).await?;
        let Some(here) = world.here.clone() else { return Err(Problem::not_found()) };
        let id = here.channel.id;
        let (page, thread, people, online) = tokio::try_join!(
            self.messages(&here, around),
            self.thread(id, beside),
            self.people(app, &world, id, beside),
            self.online(app, &world),
        )?;
        world.online = online;
        app.directory.learn(page.items.iter().map(|message| &message.author));
        let path = world.path();
        let back = world.slug().map_or_else(|| "/".to_owned(), urls::community);
        let title = header::title_of(&here, world.me.id);
        Ok(Loaded {
            page,
            around,
            thread,
            people,
            back,
            path,
            label: format!("Messages in {title}"),
            place: title,
            world,
        })
    }

    /// Finds the channel and community on show.
    pub(crate) async fn find(&self, world: &mut World, subject: &Subject) -> Result<(), Problem> {
        let sync = &world.sync;
        let community_of = |id: ChannelId| {
            sync.communities
                .iter()
                .position(|view| view.channels.iter().any(|channel| channel.channel.id == id))
        };
        let joined = |id: ChannelId| {
            sync.communities
                .iter()
                .flat_map(|view| &view.channels)
                .chain(&sync.dms)
                .find(|view| view.channel.id == id)
        };
        match subject {
            Subject::Named { slug, name } => {
                let n = sync
                    .communities
                    .iter()
                    .position(|view| view.community.slug == *slug)
                    .ok_or_else(Problem::not_found)?;
                let view = &sync.communities[n];
                let named =
                    |channel: &&ChannelView| channel.channel.name.as_deref() == Some(name.as_str());
                let here = if let Some(joined) = view.channels.iter().find(named) {
                    joined.clone()
                } else {
                    let channels = self.api.channels(view.community.id).await?;
                    channels.items.iter().find(named).cloned().ok_or_else(Problem::not_found)?
                };
                world.community = Some(n);
                world.here = Some(here);
            }
            Subject::Direct { id, slug } => {
                let here = joined(*id)
                    .filter(|view| view.channel.name.is_none())
                    .cloned()
                    .ok_or_else(Problem::not_found)?;
                let beside = slug.as_ref().and_then(|slug| {
                    sync.communities.iter().position(|view| view.community.slug == *slug)
                });
                world.community = beside.or_else(|| (!sync.communities.is_empty()).then_some(0));
                world.here = Some(here);
            }
            Subject::Id { id, community } => {
                let here = match joined(*id) {
                    Some(here) => here.clone(),
                    None => self.api.channel(*id).await?,
                };
                let wanted = here.channel.community_id.or(*community);
                let beside =
                    sync.communities.iter().position(|view| Some(view.community.id) == wanted);
                world.community = beside
                    .or_else(|| community_of(*id))
                    .or_else(|| (!sync.communities.is_empty()).then_some(0));
                world.here = Some(here);
            }
        }
        Ok(())
    }

    async fn messages(
        &self,
        here: &ChannelView,
        around: Option<MessageId>,
    ) -> Result<Page<Message>, Problem> {
        // Opening a channel with up to a hundred unread messages shows where they begin (design.md section 7).
        let wanted =
            (here.unread + ABOVE_UNREAD).clamp(i64::from(FIRST_VIEW), i64::from(PAGE_SIZE_MAX));
        let limit = if here.unread < i64::from(PAGE_SIZE_MAX) {
            u16::try_from(wanted).unwrap_or(FIRST_VIEW)
        } else {
            FIRST_VIEW
        };
        let query = PageQuery {
            around: around.map(Into::into),
            limit: Some(limit),
            ..PageQuery::default()
        };
        Ok(self.api.messages(here.channel.id, query).await?)
    }

    async fn thread(
        &self,
        channel: ChannelId,
        beside: Beside,
    ) -> Result<Option<(Message, Vec<Message>)>, Problem> {
        let Beside::Thread(id) = beside else { return Ok(None) };
        let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
        let (root, replies) = tokio::try_join!(self.api.message(id), self.api.replies(id, query))?;
        if root.channel_id != channel || root.parent_id.is_some() {
            return Err(Problem::not_found());
        }
        Ok(Some((root, replies.items)))
    }

    /// The people of the channel, for the pane that lists them.
    async fn people(
        &self,
        app: &App,
        world: &World,
        id: ChannelId,
        beside: Beside,
    ) -> Result<Option<Vec<(User, Option<Role>)>>, Problem> {
        if beside != Beside::Members {
            return Ok(None);
        }
        let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
        let users = self.api.channel_members(id, query).await?.items;
        app.directory.learn_names(users.iter().map(|user| (user.id, user.username.as_str())));
        let roles: HashMap<UserId, Role> = match world.community() {
            Some(view) => self
                .api
                .members(view.community.id, query)
                .await?
                .items
                .into_iter()
                .map(|member| (member.user.id, member.role))
                .collect(),
            None => HashMap::new(),
        };
        let with_role = users.into_iter().map(|user| {
            let role = roles.get(&user.id).copied();
            (user, role)
        });
        Ok(Some(with_role.collect()))
    }

    /// Who of the community is there: for the dots beside direct messages. It also tells whose handles are whose.
    pub(crate) async fn online(
        &self,
        app: &App,
        world: &World,
    ) -> Result<HashMap<UserId, bool>, Problem> {
        let Some(view) = world.community() else { return Ok(HashMap::new()) };
        let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
        let members = self.api.members(view.community.id, query).await?.items;
        app.directory.learn_names(
            members.iter().map(|member| (member.user.id, member.user.username.as_str())),
        );
        Ok(members.into_iter().map(|member| (member.user.id, member.user.online)).collect())
    }
}

impl Loaded {
    /// Place in the channel of the newest message on the page; what the stream brings up to here is shown already.
    pub(crate) fn seen(&self) -> i64 {
        self.page.items.last().filter(|_| self.page.next.is_none()).map_or(0, |message| message.seq)
    }

    /// The same for the thread in the pane.
    pub(crate) fn replies(&self) -> i64 {
        self.thread.as_ref().and_then(|(_, replies)| replies.last()).map_or(0, |reply| reply.seq)
    }

    /// The newest message, for grouping.
    pub(crate) fn tail(&self) -> Option<Tail> {
        self.page.items.last().filter(|_| self.page.next.is_none()).map(Tail::of)
    }

    /// The thread in the pane.
    pub(crate) fn thread_id(&self) -> Option<MessageId> {
        self.thread.as_ref().map(|(root, _)| root.id)
    }

    fn look<'a>(&'a self, app: &'a App) -> timeline::Look<'a> {
        timeline::Look {
            me: self.world.me.id,
            today: clock::now().date(),
            directory: &app.directory,
            target: self.around,
        }
    }

    fn here(&self) -> Result<&ChannelView, Problem> {
        self.world.here.as_ref().ok_or_else(Problem::not_found)
    }

    fn header(&self) -> Result<Header<'_>, Problem> {
        Ok(Header::new(
            self.here()?,
            self.world.me.id,
            &self.back,
            &self.path,
            self.people.is_some(),
        ))
    }

    fn pane(&self, app: &App) -> Result<Option<Pane<'_>>, Problem> {
        let here = self.here()?;
        if let Some((root, replies)) = &self.thread {
            let composer = Composer::of_thread(here, root.id, &root.author.display_name);
            let pane = thread::Pane::new(
                root,
                replies,
                &self.path,
                self.place.clone(),
                composer,
                &app.directory,
            );
            return Ok(Some(Pane::Thread(Box::new(pane))));
        }
        Ok(self.people.as_ref().map(|people| {
            Pane::Members(members::Pane::new(
                people,
                here.member_count,
                self.world.me.id,
                &self.path,
            ))
        }))
    }

    /// The whole page.
    pub(crate) fn html(&self, app: &App, nav: bool, nonce: &str) -> Result<String, Problem> {
        let here = self.here()?;
        let pane = self.pane(app)?;
        let view = match (nav, &pane) {
            (true, _) => View::Nav,
            (false, Some(_)) => View::Pane,
            (false, None) => View::Main,
        };
        let mut shell = Shell::new(&self.world, view, "", nonce, self.thread_id(), self.seen());
        shell.stream.tail = self.tail();
        shell.stream.replies = self.replies();
        Ok(render(&ChannelPage {
            shell,
            channel_id: here.channel.id,
            header: self.header()?,
            label: self.label.clone(),
            items: timeline::whole(here, &self.page, self.look(app)),
            composer: Composer::of_channel(here, &self.place),
            pane,
        }))
    }

    /// The whole page as patches: everything but the boxes somebody may be writing in.
    pub(crate) fn patches(&self, app: &App, frames: &mut Frames) -> Result<(), Problem> {
        frame_patches(&self.world, frames);
        frames.outer(&self.header()?);
        frames.patch(
            Mode::Inner,
            "#messages",
            &timeline::markup(&timeline::whole(self.here()?, &self.page, self.look(app))),
        );
        if let Some(pane) = self.pane(app)? {
            frames.outer_html(&pane.to_string());
        }
        Ok(())
    }
}

/// What every page has, as patches.
pub(crate) fn frame_patches(world: &World, frames: &mut Frames) {
    frames.outer(&world.rail());
    if world.community.is_some() {
        frames.outer(&world.channel_list());
    }
    frames.outer(&world.dm_list());
    let badge = world.badge();
    frames.signals(&serde_json::json!({ "_badge": badge.total, "_here": badge.here }));
}
