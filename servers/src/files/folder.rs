//! Reads what is in a directory, for a listing. It may wait for a disk.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::listing::{Entry, Listing};
use super::path::can_be_named;
use super::root::{Kind, Meta};

/// The most entries that are listed. A directory with more is not one that people look through, and
/// its list would take megabytes.
const ENTRIES: usize = 10_000;

/// Reads the entries of a directory that requests can get: files and directories. `behind_link`
/// says what a link leads to, if that may be served.
///
/// # Errors
/// What the system answered.
pub fn read(
    folder: &OwnedFd,
    shows_hidden: bool,
    behind_link: impl Fn(&[u8]) -> Option<Meta>,
) -> io::Result<Listing> {
    let mut listing = Listing { entries: Vec::new(), is_cut: false, is_flat: true };
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden = name.to_bytes().starts_with(b".");
        if is_hidden && !is_shown(name.to_bytes(), shows_hidden) || !can_be_named(name.to_bytes()) {
            continue;
        }
        if listing.entries.len() == ENTRIES {
            listing.is_cut = true;
            break;
        }
        // It may have gone meanwhile.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let name = name.to_bytes();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let own = |is_folder| listed(name, is_folder, size, stat.st_mtime);
        let kind = FileType::from_raw_mode(stat.st_mode);
        listing.is_flat &= !kind.is_dir() && !kind.is_symlink() && stat.st_nlink == 1;
        listing.entries.extend(match kind {
            FileType::Directory => Some(own(true)),
            FileType::RegularFile => Some(own(false)),
            FileType::Symlink => behind_link(name).map(|meta| {
                listed(name, meta.kind == Kind::Directory, meta.size, meta.mtime.seconds)
            }),
            _ => None,
        });
    }
    Ok(listing)
}

fn is_shown(hidden: &[u8], shows_hidden: bool) -> bool {
    shows_hidden && hidden != b"." && hidden != b".."
}

fn listed(name: &[u8], is_folder: bool, size: u64, seconds: i64) -> Entry {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 1);
    Entry {
        name: name.to_vec(),
        is_folder,
        size,
        modified: seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    }
}
