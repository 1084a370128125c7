//! How many CPUs this process may use: its cgroup's quota, then its affinity.

/// The kernel's files that a quota is read from.
pub trait CpuFiles {
    /// The whole file as text, or `None` when it cannot be read.
    fn read(&self, path: &str) -> Option<String>;
    /// CPUs in this process' affinity mask.
    fn affinity(&self) -> usize;
}

/// At least 1; a quota of two and a half CPUs keeps three busy part of the time, so it counts as 3.
#[must_use]
pub fn cpus(files: &dyn CpuFiles) -> u32 {
    let affinity = u32::try_from(files.affinity()).unwrap_or(u32::MAX).max(1);
    quota(files).map_or(affinity, |quota| affinity.min(quota))
}

/// The narrowest quota from this process' cgroup up to the root of its mount (cgroups(7)).
fn quota(files: &dyn CpuFiles) -> Option<u32> {
    let membership = files.read("/proc/self/cgroup")?;
    let mut narrowest = None;
    for line in membership.lines() {
        // `hierarchy:controllers:path`; version 2 is `0::/path`.
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let found = if hierarchy == "0" && controllers.is_empty() {
            // `unified` is where systemd's hybrid layout mounts version 2.
            walk_up(
                path,
                &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
                |directory| {
                    let text = files.read(&format!("{directory}/cpu.max"))?;
                    let (quota, period) = text.trim().split_once(' ')?;
                    rounded_up(quota, period)
                },
            )
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            let joined = format!("/sys/fs/cgroup/{controllers}");
            walk_up(path, &["/sys/fs/cgroup/cpu", &joined], |directory| {
                let quota = files.read(&format!("{directory}/cpu.cfs_quota_us"))?;
                let period = files.read(&format!("{directory}/cpu.cfs_period_us"))?;
                rounded_up(quota.trim(), period.trim())
            })
        } else {
            None
        };
        narrowest = narrower(narrowest, found);
    }
    narrowest
}

/// In a container the path may be the host's, of which only the end or nothing exists here: so every parent is read, and
/// files that cannot be read are ignored.
fn walk_up(path: &str, mounts: &[&str], quota_in: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    let mut narrowest = None;
    for mount in mounts {
        let mut path = path.trim_end_matches('/');
        loop {
            narrowest = narrower(narrowest, quota_in(&format!("{mount}{path}")));
            match path.rfind('/') {
                Some(slash) => path = &path[..slash],
                None => break,
            }
        }
    }
    narrowest
}

fn narrower(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `None` for `max` and `-1`, which mean no quota.
fn rounded_up(quota: &str, period: &str) -> Option<u32> {
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    if quota == 0 || period == 0 {
        return None;
    }
    Some(u32::try_from(quota.div_ceil(period)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files<'a>(usize, &'a [(&'a str, &'a str)]);

    impl CpuFiles for Files<'_> {
        fn read(&self, path: &str) -> Option<String> {
            self.1
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, text)| (*text).to_owned())
        }

        fn affinity(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn without_a_quota_the_affinity_counts() {
        assert_eq!(cpus(&Files(6, &[])), 6);
        assert_eq!(
            cpus(&Files(
                6,
                &[
                    ("/proc/self/cgroup", "0::/\n"),
                    ("/sys/fs/cgroup/cpu.max", "max 100000\n")
                ]
            )),
            6
        );
        assert_eq!(cpus(&Files(0, &[])), 1);
    }

    #[test]
    fn version_2_inside_a_container() {
        let quota = |text| {
            cpus(&Files(
                64,
                &[
                    ("/proc/self/cgroup", "0::/\n"),
                    ("/sys/fs/cgroup/cpu.max", text),
                ],
            ))
        };
        assert_eq!(quota("200000 100000\n"), 2);
        assert_eq!(quota("250000 100000\n"), 3);
        assert_eq!(quota("1000 100000\n"), 1);
    }

    #[test]
    fn the_narrowest_quota_on_the_way_up_counts() {
        let files = [
            ("/proc/self/cgroup", "0::/system.slice/app.service/inner\n"),
            ("/sys/fs/cgroup/system.slice/cpu.max", "400000 100000\n"),
            (
                "/sys/fs/cgroup/system.slice/app.service/cpu.max",
                "300000 100000\n",
            ),
            (
                "/sys/fs/cgroup/system.slice/app.service/inner/cpu.max",
                "max 100000\n",
            ),
        ];
        assert_eq!(cpus(&Files(64, &files)), 3);
        assert_eq!(cpus(&Files(2, &files)), 2);
    }

    #[test]
    fn the_hosts_path_in_a_container_that_does_not_have_it() {
        let files = [
            ("/proc/self/cgroup", "0::/../../docker/abc\n"),
            ("/sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ];
        assert_eq!(cpus(&Files(64, &files)), 2);
    }

    #[test]
    fn version_1() {
        let files = [
            (
                "/proc/self/cgroup",
                "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
            ),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "350000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(cpus(&Files(64, &files)), 4);
        let files = [
            ("/proc/self/cgroup", "4:cpu,cpuacct:/\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(cpus(&Files(8, &files)), 8);
    }
}
