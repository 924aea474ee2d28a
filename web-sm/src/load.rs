//! Reads what a page shows. Pages and resyncs go through here alike, so there is no second way to draw the same thing.

use ajet_shared::channel::ChannelView;
use ajet_shared::clock;
use ajet_shared::community::Role;
use ajet_shared::id::{ChannelId, CommunityId, MessageId};
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
    beside: Side,
    back: String,
    path: String,
    label: String,
    place: String,
}

/// What was read of what stands beside a channel.
enum Side {
    Nothing,
    Thread(Box<Message>, Page<Message>),
    People(Vec<(User, Option<Role>)>),
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
        let (page, beside, online) = tokio::try_join!(
            self.messages(&here, around),
            self.beside(app, &world, here.channel.id, beside),
            self.online(app, &world),
        )?;
        world.online = online;
        app.directory.learn(page.items.iter().map(|message| &message.author));
        Loaded::new(world, page, around, beside)
    }

    /// As [`Self::load`], for the pane alone: the channel is on show already.
    pub(crate) async fn load_pane(
        &self,
        app: &App,
        subject: &Subject,
        beside: Beside,
    ) -> Result<Loaded, Problem> {
        let mut world = self.world(app).await?;
        self.find(&mut world, subject).await?;
        let id = world.here.as_ref().ok_or_else(Problem::not_found)?.channel.id;
        let beside = self.beside(app, &world, id, beside).await?;
        Loaded::new(world, Page::whole(Vec::new()), None, beside)
    }

    async fn beside(
        &self,
        app: &App,
        world: &World,
        id: ChannelId,
        beside: Beside,
    ) -> Result<Side, Problem> {
        Ok(match beside {
            Beside::Nothing => Side::Nothing,
            Beside::Thread(root) => self.thread(app, id, root).await?,
            Beside::Members => Side::People(self.people_with_roles(app, world, id).await?),
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

    async fn thread(&self, app: &App, channel: ChannelId, id: MessageId) -> Result<Side, Problem> {
        let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
        let (root, replies) = tokio::try_join!(self.api.message(id), self.api.replies(id, query))?;
        if root.channel_id != channel || root.parent_id.is_some() {
            return Err(Problem::not_found());
        }
        app.directory.learn(replies.items.iter().chain([&root]).map(|message| &message.author));
        Ok(Side::Thread(Box::new(root), replies))
    }
}

impl Loaded {
    fn new(
        world: World,
        page: Page<Message>,
        around: Option<MessageId>,
        beside: Side,
    ) -> Result<Self, Problem> {
        let here = world.here.as_ref().ok_or_else(Problem::not_found)?;
        let title = header::title_of(here, world.me.id);
        Ok(Self {
            page,
            around,
            beside,
            back: world.slug().map_or_else(|| "/".to_owned(), urls::community),
            path: world.path(),
            label: format!("Messages in {title}"),
            place: title,
            world,
        })
    }

    /// Place in the channel of the newest message on the page; what the stream brings up to here is shown already.
    pub(crate) fn seen(&self) -> i64 {
        self.page.items.last().filter(|_| self.page.next.is_none()).map_or(0, |message| message.seq)
    }

    /// The newest message, for grouping.
    pub(crate) fn tail(&self) -> Option<Tail> {
        self.page.items.last().filter(|_| self.page.next.is_none()).map(Tail::of)
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
            matches!(self.beside, Side::People(_)),
        ))
    }

    fn pane(&self, app: &App) -> Result<Option<Pane<'_>>, Problem> {
        let here = self.here()?;
        Ok(match &self.beside {
            Side::Nothing => None,
            Side::Thread(root, replies) => {
                let composer = Composer::of_thread(here, root.id, &root.author.display_name);
                let place = self.place.clone();
                let pane =
                    thread::Pane::new(root, replies, &self.path, place, composer, &app.directory);
                Some(Pane::Thread(Box::new(pane)))
            }
            Side::People(people) => {
                let (total, me) = (here.member_count, self.world.me.id);
                Some(Pane::Members(members::Pane::new(people, total, me, &self.path)))
            }
        })
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
        let mut shell = Shell::new(&self.world, view, "", nonce, self.seen());
        shell.stream.tail = self.tail();
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

    /// What stands beside the channel, alone; none when that is nothing.
    pub(crate) fn pane_html(&self, app: &App) -> Result<Option<String>, Problem> {
        Ok(self.pane(app)?.map(|pane| pane.to_string()))
    }

    /// The whole page as patches: everything but the pane, which the page fetches itself, and the boxes somebody may be writing in.
    pub(crate) fn patches(&self, app: &App, frames: &mut Frames) -> Result<(), Problem> {
        frame_patches(&self.world, frames);
        frames.outer(&self.header()?);
        frames.patch(
            Mode::Inner,
            "#messages",
            &timeline::markup(&timeline::whole(self.here()?, &self.page, self.look(app))),
        );
        Ok(())
    }
}

/// What every page has, as patches.
pub(crate) fn frame_patches(world: &World, frames: &mut Frames) {
    frames.outer(&world.rail());
    frames.outer(&world.inbox());
    if world.community.is_some() {
        frames.outer(&world.channel_list());
    }
    frames.outer(&world.dm_list());
    let badge = world.badge();
    frames.signals(&serde_json::json!({ "_badge": badge.total, "_here": badge.here }));
}
