//! The connections of a worker by index. It grows a page at a time, so that memory follows the
//! number of connections closely, and no connection is ever moved. It knows nothing of what it
//! holds.

/// The slots of a page. A page of echo connections is about 20 KiB, and 8,000 connections waste at
/// most one part in 32.
const PAGE: usize = 256;

/// The bits of an index that stand for the slot within its page.
const PAGE_BITS: u32 = PAGE.trailing_zeros();

/// The end of the list of vacant slots.
const NONE: u32 = u32::MAX;

/// The most pages, so that every index differs from [`NONE`] and fits the keys of 32-bit systems.
const MAX_PAGES: usize = (1 << 20) / PAGE;

/// A store of values at stable indices.
pub(crate) struct Slab<T> {
    pages: Vec<Box<[Slot<T>; PAGE]>>,
    vacant: u32,
    len: usize,
}

struct Slot<T> {
    /// How often the slot was emptied; part of the key, so that stale events miss.
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Vacant { next: u32 },
    Occupied(T),
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), vacant: NONE, len: 0 }
    }

    /// The number of values.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// One more than the highest index ever used.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.pages.len() * PAGE).unwrap_or(NONE)
    }

    /// Stores a value and answers its index and generation, or gives it back where a million are
    /// stored.
    pub(crate) fn insert(&mut self, value: T) -> Result<(u32, u32), T> {
        if self.vacant == NONE && !self.grow() {
            return Err(value);
        }
        let index = self.vacant;
        let (page, at) = split(index);
        let slot = &mut self.pages[page][at];
        if let Content::Vacant { next } = slot.content {
            self.vacant = next;
        }
        slot.content = Content::Occupied(value);
        self.len += 1;
        Ok((index, slot.generation))
    }

    /// The value at an index.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (page, at) = split(index);
        match &mut self.pages.get_mut(page)?[at].content {
            Content::Occupied(value) => Some(value),
            Content::Vacant { .. } => None,
        }
    }

    /// The value at an index and its generation.
    #[inline]
    pub(crate) fn get_with_generation(&mut self, index: u32) -> Option<(&mut T, u32)> {
        let (page, at) = split(index);
        match &mut self.pages.get_mut(page)?[at] {
            Slot { generation, content: Content::Occupied(value) } => Some((value, *generation)),
            Slot { content: Content::Vacant { .. }, .. } => None,
        }
    }

    /// Takes a value out; from then on its generation is over.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let (page, at) = split(index);
        let slot = &mut self.pages.get_mut(page)?[at];
        if matches!(slot.content, Content::Vacant { .. }) {
            return None;
        }
        let vacated = std::mem::replace(&mut slot.content, Content::Vacant { next: self.vacant });
        slot.generation = crate::key::next_generation(slot.generation);
        self.vacant = index;
        self.len -= 1;
        match vacated {
            Content::Occupied(value) => Some(value),
            Content::Vacant { .. } => None,
        }
    }

    /// Adds a page of vacant slots; false where the most pages are there.
    fn grow(&mut self) -> bool {
        if self.pages.len() == MAX_PAGES {
            return false;
        }
        let first = self.end();
        let last = first + ((1 << PAGE_BITS) - 1);
        let slots = (first..=last).map(|index| {
            let next = if index == last { self.vacant } else { index + 1 };
            Slot { generation: 0, content: Content::Vacant { next } }
        });
        let slots: Box<[Slot<T>]> = slots.collect();
        let Ok(page) = slots.try_into() else { return false };
        self.pages.push(page);
        self.vacant = first;
        true
    }
}

#[inline]
fn split(index: u32) -> (usize, usize) {
    ((index >> PAGE_BITS) as usize, index as usize & (PAGE - 1))
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Slab};

    #[test]
    fn a_reused_slot_has_another_generation() {
        let mut slab = Slab::new();
        let first = slab.insert("first").expect("room");
        assert_eq!(slab.remove(first.0), Some("first"));
        assert_eq!(slab.remove(first.0), None);
        let second = slab.insert("second").expect("room");
        assert_eq!(first.0, second.0, "the slot is used again");
        assert_ne!(first.1, second.1, "a stale key misses");
        assert_eq!(slab.get_with_generation(second.0), Some((&mut "second", second.1)));
    }

    #[test]
    fn it_grows_by_pages_and_keeps_what_it_holds() {
        let mut slab = Slab::new();
        for value in 0..3 * PAGE + 1 {
            let (index, _) = slab.insert(value).expect("room");
            assert_eq!(index as usize, value);
        }
        assert_eq!(slab.len(), 3 * PAGE + 1);
        assert_eq!(slab.end() as usize, 4 * PAGE);
        assert_eq!(slab.get_mut(300), Some(&mut 300));
        assert_eq!(slab.get_mut(u32::MAX), None);
    }
}
