//! Which connections of a worker have joined which topics. In order, so that a simulation runs the
//! same way each time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::key::Key;
use crate::mesh::Topic;

/// The topics of one worker, those without members left out.
#[derive(Default)]
pub(crate) struct Topics {
    members: BTreeMap<Topic, BTreeSet<Key>>,
    joined: HashMap<Key, Vec<Topic>>,
}

impl Topics {
    /// A connection joins; to join twice is to join once.
    pub(crate) fn join(&mut self, member: Key, topic: Topic) {
        if self.members.entry(topic.clone()).or_default().insert(member) {
            self.joined.entry(member).or_default().push(topic);
        }
    }

    /// A connection leaves a topic.
    pub(crate) fn leave(&mut self, member: Key, topic: &Topic) {
        self.remove(member, topic);
        if let Some(joined) = self.joined.get_mut(&member) {
            joined.retain(|it| it != topic);
            if joined.is_empty() {
                self.joined.remove(&member);
            }
        }
    }

    /// A connection has ended.
    pub(crate) fn forget(&mut self, member: Key) {
        for topic in self.joined.remove(&member).unwrap_or_default() {
            self.remove(member, &topic);
        }
    }

    /// The members of a topic now.
    pub(crate) fn members(&self, topic: &Topic) -> Vec<Key> {
        self.members.get(topic).map_or_else(Vec::new, |members| members.iter().copied().collect())
    }

    /// Tells whether a connection is a member.
    pub(crate) fn has(&self, topic: &Topic, member: Key) -> bool {
        self.members.get(topic).is_some_and(|members| members.contains(&member))
    }

    fn remove(&mut self, member: Key, topic: &Topic) {
        if let Some(members) = self.members.get_mut(topic) {
            members.remove(&member);
            if members.is_empty() {
                self.members.remove(topic);
            }
        }
    }
}
