//! A path resolved one segment after the other, without `openat2` and never out of the root.
//!
//! No system call here follows a link: each opens one name in a directory that is open already, and
//! links are read and resolved as text. `..` goes back to the directory that was come from, which
//! cannot be above the root, and not to where the file system has it by now.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

#[cfg(not(target_os = "linux"))]
use super::root::READ;

/// The most links on one way: what Linux allows.
const MOST_LINKS: usize = 40;

/// A directory on the way need not be readable; the systems without `O_PATH` ask for more.
#[cfg(target_os = "linux")]
const PASS: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = READ.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// Opens with these flags what `path` names below `root`, whose own path without links is `real`.
///
/// # Errors
/// Those of `openat2` with `RESOLVE_BENEATH`, but for absolute links, which are followed where they
/// lead into the root: `XDEV` where the way leads out, `LOOP` for too many links, and `AGAIN` where
/// something became another thing while it was looked at.
pub(super) fn open(
    root: BorrowedFd<'_>,
    real: &[u8],
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let mut walk = Walk { root, real, flags, below: Vec::new(), left: path.to_vec(), links: 0 };
    while let Some(name) = walk.next_name() {
        match &*name {
            b"." => {}
            b".." => walk.go_back()?,
            _ => {
                if let Some(file) = walk.step(&name)? {
                    return Ok(file);
                }
            }
        }
    }
    openat(walk.at(), c".", flags.union(OFlags::DIRECTORY), Mode::empty())
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    real: &'a [u8],
    /// How what the path names is opened.
    flags: OFlags,
    /// The directories from the root to where the walk is, without the root. They stay open for the
    /// sake of `..`: one descriptor for each level of directories.
    below: Vec<OwnedFd>,
    /// What is still to be resolved. It begins with a slash wherever a directory is asked for.
    left: Vec<u8>,
    /// The links so far.
    links: usize,
}

impl Walk<'_> {
    fn at(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.root, AsFd::as_fd)
    }

    /// Takes the next segment from what is left; none where only slashes are.
    fn next_name(&mut self) -> Option<Vec<u8>> {
        let start = self.left.iter().position(|byte| *byte != b'/')?;
        let name = &self.left[start..];
        let end = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
        let left = self.left.split_off(start + end);
        let name = self.left.split_off(start);
        self.left = left;
        Some(name)
    }

    fn go_back(&mut self) -> Result<(), Errno> {
        self.below.pop().map(drop).ok_or(Errno::XDEV)
    }

    /// Goes through one name: the file, if it is one and the last.
    fn step(&mut self, name: &[u8]) -> Result<Option<OwnedFd>, Errno> {
        let found = statat(self.at(), name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => self.follow(name)?,
            FileType::Directory => {
                let next = openat(self.at(), name, PASS, Mode::empty()).map_err(changed)?;
                self.below.push(next);
            }
            _ if !self.left.is_empty() => return Err(Errno::NOTDIR),
            FileType::RegularFile => {
                let flags = self.flags.union(OFlags::NOFOLLOW);
                return openat(self.at(), name, flags, Mode::empty()).map_err(changed).map(Some);
            }
            // Not even opened, which can have effects on a device.
            _ => return Err(Errno::NXIO),
        }
        Ok(None)
    }

    /// Puts the text of a link in front of what is left.
    fn follow(&mut self, name: &[u8]) -> Result<(), Errno> {
        if self.links == MOST_LINKS {
            return Err(Errno::LOOP);
        }
        self.links += 1;
        let target = readlinkat(self.at(), name, Vec::new()).map_err(changed)?;
        let mut target = target.into_bytes();
        if target.starts_with(b"/") {
            target = self.below_root(&target)?.to_vec();
            self.below.clear();
        }
        target.append(&mut self.left);
        self.left = target;
        Ok(())
    }

    /// What of an absolute path stands behind the root's own.
    fn below_root<'t>(&self, target: &'t [u8]) -> Result<&'t [u8], Errno> {
        match target.strip_prefix(self.real) {
            Some(inside) if inside.is_empty() || inside.starts_with(b"/") => Ok(inside),
            _ => Err(Errno::XDEV),
        }
    }
}

/// A directory that is none any more, a file that is a link now, a link that is none: somebody was
/// faster. `MLINK` is how FreeBSD says that it met a link.
fn changed(error: Errno) -> Errno {
    match error {
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::INVAL => Errno::AGAIN,
        _ => error,
    }
}
