//! The memory of this process's control group: how much is left, and what the kernel did for want of it.

use std::fs;
use std::path::{Path, PathBuf};

/// How many processes of the group the out-of-memory killer has killed, and how many of those `has_killed` has not reported yet.
#[derive(Debug, Default)]
pub struct OutOfMemory {
    /// `memory.events` (version 2) or `memory.oom_control` (version 1); `None`: neither is available.
    file: Option<PathBuf>,
    seen: u64,
    /// The kernel counts before it kills, so a death follows soon; a kill of a process that is not ours expires.
    recent: u64,
    previous: u64,
}

impl OutOfMemory {
    pub fn of_this_process() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of(file(&groups, Path::new("/sys/fs/cgroup")))
    }

    fn of(file: Option<PathBuf>) -> Self {
        let seen = file.as_deref().and_then(kills).unwrap_or(0);
        Self {
            file,
            seen,
            recent: 0,
            previous: 0,
        }
    }

    /// To be called every second or so: what was counted before the last call is then too old to explain a death.
    pub fn look(&mut self) {
        (self.previous, self.recent) = (self.recent, 0);
        self.count();
    }

    /// Whether the out-of-memory killer sent the SIGKILL of unknown origin that just ended a process of the group. Each kill is
    /// reported once.
    pub fn has_killed(&mut self) -> bool {
        self.count();
        for count in [&mut self.previous, &mut self.recent] {
            if *count > 0 {
                *count -= 1;
                return true;
            }
        }
        false
    }

    /// The memory of the group, or of the one above it that is closest to its limit; `None`: there is no limit.
    pub fn usage(&self) -> Option<GroupMemory> {
        let group = self.file.as_deref()?.parent()?;
        // The directory of the controller is the root: the files of a machine's own are not there, or have no limit.
        let groups = group.ancestors().take_while(|group| group.is_dir());
        groups
            .filter_map(usage)
            .min_by_key(|usage| usage.headroom())
    }

    fn count(&mut self) {
        if let Some(now) = self.file.as_deref().and_then(kills) {
            self.recent += now.saturating_sub(self.seen);
            self.seen = now;
        }
    }
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMemory {
    pub limit: u64,
    /// Memory in use, less what the kernel can reclaim at no cost: pages of files that were not used lately.
    pub working_set: u64,
}

impl GroupMemory {
    pub fn headroom(self) -> u64 {
        self.limit.saturating_sub(self.working_set)
    }
}

/// Version 1 expresses "no limit" as the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;

/// Of one group, in either version.
fn usage(group: &Path) -> Option<GroupMemory> {
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(group.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let value = |name: &str| {
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        lines.find_map(|(key, value)| (key == name).then(|| value.trim().parse().ok())?)
    };
    // Version 1 counts the groups below only in the first.
    let idle: Option<u64> = value("total_inactive_file").or_else(|| value("inactive_file"));
    (limit < NO_LIMIT).then(|| GroupMemory {
        limit,
        working_set: used.saturating_sub(idle.unwrap_or(0)),
    })
}

/// The file of the group that `/proc/self/cgroup` names. A container often sees its own group as the root of the mount,
/// whatever that file calls it.
fn file(groups: &str, mount: &Path) -> Option<PathBuf> {
    let mut found = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        let candidates = if controllers.split(',').any(|name| name == "memory") {
            let mount = mount.join("memory");
            [mount.join(path), mount].map(|group| group.join("memory.oom_control"))
        } else if controllers.is_empty() {
            [mount.join(path), mount.to_owned()].map(|group| group.join("memory.events"))
        } else {
            continue;
        };
        let readable = candidates.into_iter().find(|file| kills(file).is_some());
        // On a machine with both versions the memory controller is in one of them only.
        found = found.or(readable);
    }
    found
}

fn kills(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// A directory of the test's own, removed at its end.
    struct Mount(PathBuf);

    impl Mount {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("rgun-{name}-{}", std::process::id()));
            fs::create_dir_all(&place).expect("writable");
            Self(place)
        }
    }

    impl Drop for Mount {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn the_own_group_is_asked_in_either_version() {
        let mount = Mount::new("groups");
        let at = |path: &str| mount.0.join(path);
        write(&at("a/b/memory.events"), "oom 3\noom_kill 2\n");
        assert_eq!(file("0::/a/b\n", &mount.0), Some(at("a/b/memory.events")));
        write(
            &at("memory/c/memory.oom_control"),
            "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
        );
        let mixed = "5:cpu,cpuacct:/\n4:memory:/c\n0::/\n";
        assert_eq!(
            file(mixed, &mount.0),
            Some(at("memory/c/memory.oom_control"))
        );
        // A container whose group has another name outside.
        write(&at("memory/memory.oom_control"), "oom_kill 0\n");
        let outside = "4:memory:/docker/0123\n";
        assert_eq!(
            file(outside, &mount.0),
            Some(at("memory/memory.oom_control"))
        );
        assert_eq!(file("5:cpu:/\n", &mount.0), None);
        assert_eq!(file("", &mount.0), None);
    }

    #[test]
    fn usage_is_that_of_the_group_closest_to_its_limit() {
        let mount = Mount::new("usage");
        let at = |path: &str| mount.0.join(path);
        let of = |file: &str| OutOfMemory::of(Some(at(file))).usage();
        write(&at("a/b/memory.events"), "oom_kill 0\n");
        assert_eq!(of("a/b/memory.events"), None);
        write(&at("a/b/memory.max"), "max\n");
        write(&at("a/b/memory.current"), "700\n");
        assert_eq!(of("a/b/memory.events"), None);
        write(&at("a/memory.max"), "1000\n");
        write(&at("a/memory.current"), "900\n");
        write(
            &at("a/memory.stat"),
            "anon 600\ninactive_file 200\nactive_file 100\n",
        );
        let usage = of("a/b/memory.events").expect("a limit above it");
        assert_eq!((usage.working_set, usage.headroom()), (700, 300));
        write(&at("a/b/memory.max"), "800\n");
        let usage = of("a/b/memory.events").expect("its own limit");
        assert_eq!((usage.limit, usage.headroom()), (800, 100));
        // Version 1: a number stands for no limit.
        write(&at("memory/c/memory.oom_control"), "oom_kill 0\n");
        write(
            &at("memory/c/memory.limit_in_bytes"),
            "9223372036854771712\n",
        );
        write(&at("memory/c/memory.usage_in_bytes"), "500\n");
        assert_eq!(of("memory/c/memory.oom_control"), None);
        write(&at("memory/c/memory.limit_in_bytes"), "600\n");
        write(
            &at("memory/c/memory.stat"),
            "inactive_file 1\ntotal_inactive_file 50\n",
        );
        let usage = of("memory/c/memory.oom_control").expect("a limit");
        assert_eq!((usage.limit, usage.working_set), (600, 450));
    }

    #[test]
    fn each_kill_explains_one_death_soon_after_it() {
        let mount = Mount::new("kills");
        let events = mount.0.join("memory.events");
        write(&events, "oom_kill 5\n");
        let mut memory = OutOfMemory::of(Some(events.clone()));
        assert!(!memory.has_killed());
        write(&events, "oom_kill 7\n");
        assert!(memory.has_killed() && memory.has_killed() && !memory.has_killed());
        write(&events, "oom_kill 8\n");
        memory.look();
        assert!(memory.has_killed());
        write(&events, "oom_kill 9\n");
        memory.look();
        memory.look();
        memory.look();
        assert!(!memory.has_killed());
        assert!(!OutOfMemory::default().has_killed());
    }
}
