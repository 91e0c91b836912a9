//! Reads what is in a directory, for a listing. It may wait for a disk.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};

use super::listing::Entry;

/// The most entries that are listed. A directory with more is not one that people look through, and
/// its list would take megabytes.
const ENTRIES: usize = 10_000;

/// Reads the entries of a directory that requests can get: files and directories. Links are left
/// out, since they may lead where nothing is served from.
///
/// # Errors
/// What the system answered.
pub fn read(folder: &OwnedFd, shows_hidden: bool) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(b".") && !is_shown(name.to_bytes(), shows_hidden) {
            continue;
        }
        // It may have gone meanwhile.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        entries.extend(listed(name.to_bytes(), &stat));
        if entries.len() == ENTRIES {
            break;
        }
    }
    Ok(entries)
}

fn is_shown(hidden: &[u8], shows_hidden: bool) -> bool {
    shows_hidden && hidden != b"." && hidden != b".."
}

fn listed(name: &[u8], stat: &Stat) -> Option<Entry> {
    let is_folder = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => false,
        _ => return None,
    };
    let seconds = u64::try_from(stat.st_mtime).ok().filter(|seconds| *seconds > 1);
    Some(Entry {
        name: name.to_vec(),
        is_folder,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    })
}
