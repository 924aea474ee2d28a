//! Writing to the disk beside the loop that reads keys: a slow disk holds nobody up. One thing after the other, in the order they were
//! asked for.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::disk::Disk;
use super::event::{Effect, Event};
use super::places::Place;
use crate::error::CliResult;

/// Takes what is to be written; dropped, it waits until all is.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Job {
    Do(Effect),
    /// Everything before this is written.
    Reached(oneshot::Sender<()>),
}

impl Writer {
    pub(crate) fn start(disk: Disk, sender: UnboundedSender<Event>) -> std::io::Result<Self> {
        let (jobs, received) = channel();
        let work = move || work(&disk, &received, &sender);
        let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Keep, forget, draft, recall or opened; nothing else is done here.
    pub(crate) fn write(&self, effect: Effect) {
        self.give(Job::Do(effect));
    }

    /// Ends when all that was given so far is written.
    pub(crate) fn reached(&self) -> oneshot::Receiver<()> {
        let (told, reached) = oneshot::channel();
        self.give(Job::Reached(told));
        reached
    }

    fn give(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // It ends only with this, or by a panic, which ends everything.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(disk: &Disk, jobs: &Receiver<Job>, sender: &UnboundedSender<Event>) {
    // What the disk did not take stands in the box only: reading it back would empty that.
    let mut unkept = HashSet::new();
    for job in jobs {
        match job {
            Job::Do(effect) => perform(disk, effect, &mut unkept, sender),
            Job::Reached(told) => drop(told.send(())),
        }
    }
}

fn perform(
    disk: &Disk,
    effect: Effect,
    unkept: &mut HashSet<Place>,
    sender: &UnboundedSender<Event>,
) {
    let outcome: CliResult = match effect {
        Effect::Keep(entry) => disk.keep(&entry),
        Effect::Forget(key) => {
            disk.forget(key);
            Ok(())
        }
        Effect::Opened(channel) => disk.opened(channel),
        Effect::Draft { user, place, text } => {
            let outcome = disk.draft(user, place, &text);
            if outcome.is_ok() {
                unkept.remove(&place)
            } else {
                unkept.insert(place)
            };
            outcome
        }
        Effect::Recall { user, place } => {
            if !unkept.contains(&place) {
                let _ = sender.send(Event::Recalled(place, disk.recall(user, place)));
            }
            Ok(())
        }
        _ => Ok(()),
    };
    // What cannot be kept is told: it would be lost at the end.
    if let Err(error) = outcome {
        let _ = sender.send(Event::Unkept(error.message().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::id::{ChannelId, UserId};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn it_writes_in_order_and_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        let (sender, mut received) = unbounded_channel();
        let writer = Writer::start(disk.clone(), sender).unwrap();
        let (user, place) = (UserId::new(), Place::channel(ChannelId::new()));
        for n in 0..20 {
            writer.write(Effect::Draft { user, place, text: format!("{n}") });
        }
        writer.write(Effect::Recall { user, place });
        writer.reached().blocking_recv().unwrap();
        let Ok(Event::Recalled(of, text)) = received.try_recv() else { panic!("nothing came") };
        assert_eq!((of, text.as_str()), (place, "19"));
        writer.write(Effect::Opened(place.channel));
        drop(writer);
        assert_eq!(disk.load().last, Some(place.channel));
    }

    #[test]
    fn what_the_disk_does_not_take_is_told_and_not_read_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("work"), "in the way").unwrap();
        let (sender, mut received) = unbounded_channel();
        let writer = Writer::start(Disk::new(folder.path(), "work"), sender).unwrap();
        let (user, place) = (UserId::new(), Place::channel(ChannelId::new()));
        writer.write(Effect::Draft { user, place, text: "text".to_owned() });
        writer.write(Effect::Recall { user, place });
        drop(writer);
        assert!(matches!(received.try_recv(), Ok(Event::Unkept(_))));
        assert!(received.try_recv().is_err());
    }
}
