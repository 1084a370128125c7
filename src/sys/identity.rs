//! Users and groups: found by name or number, and assumed by a child for good.

use std::io;
use std::os::fd::BorrowedFd;

use nix::fcntl::AtFlags;
use nix::sys::stat::fstat;
use nix::unistd::{Gid, Group, Uid, User, fchownat, getgrouplist, setgid, setgroups, setuid};

use super::{Error, Result};

/// A user and groups that a process can assume. All that needs the user database was looked up before: a forked child must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
    group_is_ours: bool,
}

/// Which supplementary groups come with a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplementary {
    None,
    OfTheUser,
}

impl Identity {
    /// The user and group of these names or numbers; without a user: this process's, without a group: the user's own.
    /// `None`: this process has them already.
    ///
    /// # Errors
    /// When there is no such user or group.
    pub fn find(
        user: Option<&str>,
        group: Option<&str>,
        supplementary: Supplementary,
    ) -> Result<Option<Self>> {
        let named = user.map(find_user).transpose()?;
        let group_is_ours = matches!((group, &named), (None, Some((_, None))));
        let group = match (group, &named) {
            (Some(group), _) => find_group(group)?,
            (None, Some((_, Some(entry)))) => entry.gid,
            (None, _) => Gid::effective(),
        };
        let user = named.as_ref().map_or(Uid::effective(), |(uid, _)| *uid);
        if (user, group) == (Uid::effective(), Gid::effective()) {
            return Ok(None);
        }
        let groups = match (supplementary, named.and_then(|(_, entry)| entry)) {
            (Supplementary::OfTheUser, Some(entry)) => groups_of(&entry, group)?,
            _ => vec![group],
        };
        Ok(Some(Self {
            user,
            group,
            groups,
            group_is_ours,
        }))
    }

    /// This process's own group, where a user was named by a number that the system's database does not have, and no group.
    pub fn inherited_group(&self) -> Option<u32> {
        self.group_is_ours.then_some(self.group.as_raw())
    }

    /// For good: nothing of the old identity is left. Also clears the parent-death signal. Safe right after a fork.
    ///
    /// # Errors
    /// When the system refuses; then the process must end.
    pub fn assume(&self) -> Result<()> {
        let failed = |call| {
            move |error: nix::Error| {
                Error::new(call, self.user, error)
                    .with_hint("only root may run workers as somebody else")
            }
        };
        // Groups first: afterwards this process may not.
        setgroups(&self.groups).map_err(failed("setgroups"))?;
        setgid(self.group).map_err(failed("setgid"))?;
        setuid(self.user).map_err(failed("setuid"))
    }

    /// Whether what the descriptor names belongs to this user.
    pub fn owns(&self, file: BorrowedFd<'_>) -> io::Result<bool> {
        Ok(fstat(file)?.st_uid == self.user.as_raw())
    }

    /// Makes this user and group the owners of what the descriptor names, which may be one of `O_PATH`; nothing is looked up by
    /// name. `true`: they are now, or were before.
    ///
    /// Only a file or socket with a single name changes hands: a second name may be in another user's reach, and a device or FIFO
    /// is others' as well.
    ///
    /// # Errors
    /// The system's.
    pub fn give(&self, file: BorrowedFd<'_>) -> io::Result<bool> {
        let found = fstat(file)?;
        if (found.st_uid, found.st_gid) == (self.user.as_raw(), self.group.as_raw()) {
            return Ok(true);
        }
        let kind = found.st_mode & libc::S_IFMT;
        if !matches!(kind, libc::S_IFREG | libc::S_IFSOCK) || found.st_nlink != 1 {
            return Ok(false);
        }
        let (user, group) = (Some(self.user), Some(self.group));
        fchownat(file, "", user, group, AtFlags::AT_EMPTY_PATH)?;
        Ok(true)
    }
}

/// A number need not be in the database.
fn find_user(text: &str) -> Result<(Uid, Option<User>)> {
    let failed = |error: nix::Error| Error::new("getpwnam", text, error);
    if let Some(user) = User::from_name(text).map_err(failed)? {
        return Ok((user.uid, Some(user)));
    }
    match text.parse().map(Uid::from_raw) {
        Ok(uid) => Ok((uid, User::from_uid(uid).map_err(failed)?)),
        Err(_) => Err(unknown("user", text)),
    }
}

fn find_group(text: &str) -> Result<Gid> {
    let failed = |error: nix::Error| Error::new("getgrnam", text, error);
    if let Some(group) = Group::from_name(text).map_err(failed)? {
        return Ok(group.gid);
    }
    text.parse()
        .map(Gid::from_raw)
        .map_err(|_| unknown("group", text))
}

fn unknown(kind: &'static str, text: &str) -> Error {
    Error::new(
        "find",
        format_args!("{kind} `{text}`"),
        io::Error::other(format!("there is no such {kind}")),
    )
    .with_hint("give a name that the system knows, or a number")
}

fn groups_of(user: &User, group: Gid) -> Result<Vec<Gid>> {
    let failed = |error: io::Error| Error::new("getgrouplist", &user.name, error);
    let name = std::ffi::CString::new(user.name.as_str()).map_err(|error| failed(error.into()))?;
    getgrouplist(&name, group).map_err(|error| failed(error.into()))
}

/// The user whose rights this process has.
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asked_for_is_who_we_are() {
        assert_eq!(
            Identity::find(None, None, Supplementary::None).expect("nothing to find"),
            None
        );
        let uid = Uid::effective().to_string();
        let gid = Gid::effective().to_string();
        let found = Identity::find(Some(&uid), Some(&gid), Supplementary::None);
        assert_eq!(found.expect("numbers"), None);
    }

    #[test]
    fn names_and_numbers() {
        let by_name = Identity::find(Some("nobody"), None, Supplementary::None);
        let by_name = by_name.expect("every system has it").expect("not us");
        let number = by_name.user.to_string();
        let by_number = Identity::find(Some(&number), None, Supplementary::None);
        assert_eq!(by_number.expect("a number"), Some(by_name.clone()));
        assert_eq!(by_name.groups, [by_name.group]);
        let stranger = Identity::find(Some("54321"), Some("54322"), Supplementary::OfTheUser);
        let stranger = stranger.expect("numbers").expect("not us");
        assert_eq!(
            (stranger.user.as_raw(), stranger.group.as_raw()),
            (54321, 54322)
        );
        assert_eq!(stranger.inherited_group(), None);
        let stranger = Identity::find(Some("54321"), None, Supplementary::None);
        let stranger = stranger.expect("a number").expect("not us");
        assert_eq!(stranger.inherited_group(), Some(Gid::effective().as_raw()));
    }

    #[test]
    fn who_is_unknown_is_named() {
        let error = Identity::find(Some("no-such-user"), None, Supplementary::None);
        let error = error.expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "find user `no-such-user`: there is no such user"
        );
        assert!(error.hint.is_some());
        let error = Identity::find(None, Some("no-such-group"), Supplementary::None);
        assert!(
            error
                .expect_err("unknown")
                .to_string()
                .starts_with("find group `no-such-group`")
        );
    }
}
