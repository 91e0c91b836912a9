//! One directory whose files are opened and nothing else: whatever a path says, wherever a link
//! leads and whoever renames what meanwhile, what is opened lies below it.
//!
//! The kernel keeps that promise where it has `openat2`; a walk of our own does where it has not.
//! Everything here but [`Root::open_cached`] may wait for a disk, so none of it is for an event
//! loop. It knows nothing of HTTP.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::walk;

/// How a file is opened: a FIFO without a writer must not hold the one who opens it, a terminal
/// must not become that of the process, and no child inherits it.
pub(super) const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// How a file is looked at: what it is and which version, without its file system being told that
/// somebody uses it. The systems without `O_PATH` have to open it.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const LOOK: OFlags = READ;

/// How often a resolution is begun again that somebody's rename or mount got between. Who renames
/// without pause can make every one of them fail; then the other way is taken.
const TRIES: usize = 32;

/// An open directory that requests cannot leave.
///
/// The directory itself is held, not its name: another one that is put in its place is not seen,
/// but for whoever asks [`Root::has_moved`].
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    /// What it was called by whoever opened it.
    name: PathBuf,
    /// Its path without links in it, against which links with absolute targets are read.
    real: Vec<u8>,
    /// The device of its file system, if that is on this machine.
    local: Option<u64>,
    kernel: Kernel,
}

/// What the kernel does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kernel {
    /// It has `openat2`.
    resolves: bool,
    /// It can be asked to give up rather than wait for a disk, and its word can be relied on for
    /// the file system of the root.
    gives_up: bool,
}

/// What a path names.
#[derive(Debug)]
pub enum Opened {
    /// A regular file, open for reading.
    File(File, Meta),
    /// A directory, open for listing.
    Directory(OwnedFd, Meta),
}

/// Why nothing was opened.
#[derive(Debug)]
pub enum OpenError {
    /// Nothing that may be served has that name: it is not there, leads out of the root, must not
    /// be read, or is no regular file and no directory.
    NotFound,
    /// The process or the system has no descriptors or no memory left; it may have later.
    Exhausted,
    /// The disk or the file system failed.
    Io(io::Error),
}

/// What a file is and which version of it. Two that are equal mean that nobody changed the file in
/// between, but for what [`Snapshot::is_settled`](super::snapshot::Snapshot) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The file system.
    pub dev: u64,
    /// The file in it.
    pub ino: u64,
    /// The content's length in bytes.
    pub size: u64,
    /// When the content was last changed, as far as its owner lets us know.
    pub mtime: Stamp,
    /// When the content or the attributes were last changed; only the kernel sets it.
    pub ctime: Stamp,
    /// What kind of file it is.
    pub kind: Kind,
    /// How many names it has, of which whoever asks knows one.
    pub names: u64,
}

/// A time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanoseconds: i64,
}

/// What kind of file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, a socket, a device, or a symbolic link.
    Other,
}

impl Root {
    /// Opens a directory.
    ///
    /// # Errors
    /// What the system answered; [`io::ErrorKind::NotADirectory`] for a file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut root = Self::open_walking(path)?;
        root.local = kernel::local_device(&root.directory);
        root.kernel = Kernel::of(&root.directory, root.local.is_some());
        Ok(root)
    }

    /// Opens a directory whose files are found as on a kernel without `openat2`, one segment after
    /// the other: slower, with the same outcome.
    ///
    /// # Errors
    /// As for [`Root::open`].
    pub fn open_walking(path: impl AsRef<Path>) -> io::Result<Self> {
        let name = path.as_ref().to_owned();
        let real = fs::canonicalize(&name)?;
        let flags = READ.union(OFlags::DIRECTORY);
        let directory = rustix::fs::open(&real, flags, Mode::empty())?;
        let mut real = real.into_os_string().into_vec();
        // The root of everything is the only one whose path ends with a slash.
        if real == b"/" {
            real.clear();
        }
        Ok(Self { directory, name, real, local: None, kernel: Kernel::NONE })
    }

    /// Opens what has the directory's name by now.
    ///
    /// # Errors
    /// As for [`Root::open`].
    pub fn reopen(&self) -> io::Result<Self> {
        Self::open(&self.name)
    }

    /// Tells whether another directory has the name by now, as where a new version of a site is put
    /// in the place of the old one, or a link to it is. May wait for a disk.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let (Ok(named), Ok(held)) =
            (rustix::fs::stat(&self.name), rustix::fs::fstat(&self.directory))
        else {
            return false;
        };
        let is_directory = FileType::from_raw_mode(named.st_mode).is_dir();
        is_directory && (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino)
    }

    /// Tells whether the kernel finds the files, or else a walk segment by segment.
    #[must_use]
    pub fn uses_openat2(&self) -> bool {
        self.kernel.resolves
    }

    /// Tells whether every change of a file is made by this system, so that it tells of it. Files
    /// of other file systems than the root's are not looked into: it is said that they do not.
    #[must_use]
    pub fn tells_of_changes(&self, meta: &Meta) -> bool {
        self.local == Some(meta.dev)
    }

    /// Opens what a path from the root names, which is the root itself for an empty one. Links are
    /// followed as long as they stay in the root. May wait for a disk, never for a FIFO.
    ///
    /// # Errors
    /// Why nothing was opened.
    pub fn open_beneath(&self, path: &[u8]) -> Result<Opened, OpenError> {
        Opened::new(self.find(path, READ)?)
    }

    /// What [`Root::open_beneath`] would open, without opening it. May wait for a disk.
    ///
    /// # Errors
    /// Why there is nothing to be served; that somebody may not read it is none of the reasons.
    pub fn look_beneath(&self, path: &[u8]) -> Result<Meta, OpenError> {
        servable(&self.find(path, LOOK)?.into())
    }

    /// Tells whether a path names something without a symbolic link on the way. A system that
    /// cannot be asked says that it does not. May wait for a disk.
    #[must_use]
    pub fn is_direct(&self, path: &[u8]) -> bool {
        checked(path).is_ok_and(|path| self.resolve_directly(path))
    }

    fn find(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, OpenError> {
        let path = checked(path)?;
        let found = match self.resolve(path, flags) {
            // An absolute link, which the kernel always takes for one that leads out; or a filter
            // of system calls that does not know the call, as those of older containers, which
            // answer EPERM; or too many renames at once.
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {
                again(|| walk::open(self.directory.as_fd(), &self.real, path, flags))
            }
            found => found,
        };
        Ok(found?)
    }
}

/// An absolute path names nothing below a root, and a NUL ends a path for the kernel.
fn checked(path: &[u8]) -> Result<&[u8], OpenError> {
    match path {
        b"" => Ok(b"."),
        [b'/', ..] => Err(OpenError::NotFound),
        _ if path.contains(&0) => Err(OpenError::NotFound),
        _ => Ok(path),
    }
}

/// Does something again that a rename or a signal got between.
fn again<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..TRIES {
        match attempt() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    attempt()
}

#[cfg(target_os = "linux")]
mod kernel {
    use rustix::fs::{ResolveFlags, fstat, fstatfs, openat2};

    use super::*;

    /// Magic links, such as those of `/proc/self/fd`, lead anywhere without a path. The first flag
    /// keeps them out as well for the time being, which openat2(2) asks nobody to rely on.
    const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

    /// Without a link on the way.
    const DIRECT: ResolveFlags = BENEATH.union(ResolveFlags::NO_SYMLINKS);

    /// The mounts below the root may be of any file system, so that they are left to who may wait.
    /// So are links: whether a change behind them is heard of takes another look.
    const CACHED: ResolveFlags = DIRECT.union(ResolveFlags::CACHED).union(ResolveFlags::NO_XDEV);

    /// File systems that know all about a file whose name is cached. Others, such as NFS and FUSE,
    /// ask somebody whenever a file is opened, whatever is cached, and that somebody may be slow.
    /// The numbers are those of linux/magic.h.
    const LOCAL: &[i64] = &[
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683E, // btrfs
        0xF2F5_2010, // f2fs
        0x0102_1994, // tmpfs
        0x794C_7630, // overlayfs
        0x7371_7368, // squashfs
        0xE0F5_E1E2, // erofs
    ];

    impl Kernel {
        pub(super) const NONE: Self = Self { resolves: false, gives_up: false };

        /// Asks the kernel once, so that no request has to find out.
        pub(super) fn of(directory: &OwnedFd, is_local: bool) -> Self {
            let can = |flags| openat2(directory, c".", READ, Mode::empty(), flags).is_ok();
            // The system has the root itself cached, since it is open.
            let gives_up = is_local && can(CACHED);
            Self { resolves: can(BENEATH), gives_up }
        }
    }

    /// The device of a directory whose file system is one of those.
    pub(super) fn local_device(directory: &OwnedFd) -> Option<u64> {
        let system = fstatfs(directory).ok()?;
        let is_local = LOCAL.contains(&low_half(system.f_type));
        is_local.then(|| fstat(directory).ok().map(|found| found.st_dev))?
    }

    /// Numbers above 2^31 are negative where the field has 32 bits.
    fn low_half(word: impl Into<i64>) -> i64 {
        word.into() & 0xFFFF_FFFF
    }

    impl Root {
        pub(super) fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
            if !self.kernel.resolves {
                return Err(Errno::NOSYS);
            }
            again(|| openat2(&self.directory, path, flags, Mode::empty(), BENEATH))
        }

        pub(super) fn resolve_directly(&self, path: &[u8]) -> bool {
            let found = || openat2(&self.directory, path, LOOK, Mode::empty(), DIRECT);
            self.kernel.resolves && again(found).is_ok()
        }

        /// As [`Root::open_beneath`], but `None` where that might have to wait for a disk: what is
        /// not cached, another file system than the root's, and everything on a file system that
        /// is not on this machine or on a kernel that cannot tell; and where a link is on the way.
        #[must_use]
        pub fn open_cached(&self, path: &[u8]) -> Option<Result<Opened, OpenError>> {
            if !self.kernel.gives_up {
                return None;
            }
            let path = match checked(path) {
                Ok(path) => path,
                Err(error) => return Some(Err(error)),
            };
            match openat2(&self.directory, path, READ, Mode::empty(), CACHED) {
                Ok(found) => Some(Opened::new(found)),
                Err(
                    Errno::AGAIN
                    | Errno::INTR
                    | Errno::LOOP
                    | Errno::XDEV
                    | Errno::NOSYS
                    | Errno::INVAL
                    | Errno::PERM,
                ) => None,
                Err(error) => Some(Err(error.into())),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::*;

    impl Kernel {
        pub(super) const NONE: Self = Self { resolves: false, gives_up: false };

        pub(super) fn of(_directory: &OwnedFd, _is_local: bool) -> Self {
            Self::NONE
        }
    }

    /// The systems in question tell of no changes.
    pub(super) fn local_device(_directory: &OwnedFd) -> Option<u64> {
        None
    }

    impl Root {
        pub(super) fn resolve(&self, _path: &[u8], _flags: OFlags) -> Result<OwnedFd, Errno> {
            Err(Errno::NOSYS)
        }

        pub(super) fn resolve_directly(&self, _path: &[u8]) -> bool {
            false
        }

        /// Always `None`: the system has no call that gives up rather than wait for a disk.
        #[must_use]
        pub fn open_cached(&self, _path: &[u8]) -> Option<Result<Opened, OpenError>> {
            debug_assert!(!self.kernel.gives_up);
            None
        }
    }
}

/// What an open file is, if it is of a kind that may be served.
fn servable(file: &File) -> Result<Meta, OpenError> {
    let meta = Meta::of(file).map_err(OpenError::Io)?;
    if meta.kind == Kind::Other { Err(OpenError::NotFound) } else { Ok(meta) }
}

impl Opened {
    /// Looks at what was opened, and keeps it only if it may be served.
    fn new(found: OwnedFd) -> Result<Self, OpenError> {
        let file = File::from(found);
        let meta = servable(&file)?;
        Ok(match meta.kind {
            Kind::Directory => Self::Directory(file.into(), meta),
            Kind::File | Kind::Other => Self::File(file, meta),
        })
    }

    /// What it is, and which version.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Self::File(_, meta) | Self::Directory(_, meta) => meta,
        }
    }
}

impl Meta {
    /// What an open file is now. May wait for a disk on file systems that are elsewhere.
    ///
    /// # Errors
    /// What the system answered.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(file.metadata()?.into())
    }
}

impl From<Metadata> for Meta {
    fn from(found: Metadata) -> Self {
        let kind = match found.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Directory,
            _ => Kind::Other,
        };
        Self {
            dev: found.dev(),
            ino: found.ino(),
            size: found.size(),
            mtime: Stamp { seconds: found.mtime(), nanoseconds: found.mtime_nsec() },
            ctime: Stamp { seconds: found.ctime(), nanoseconds: found.ctime_nsec() },
            kind,
            names: found.nlink(),
        }
    }
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NAMETOOLONG
            // A socket, and a device that nothing drives.
            | Errno::NXIO
            | Errno::NODEV
            // A file that its server has forgotten.
            | Errno::STALE => Self::NotFound,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted,
            _ => Self::Io(error.into()),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("no such file may be served"),
            Self::Exhausted => formatter.write_str("no descriptors or no memory are left"),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for OpenError {}
