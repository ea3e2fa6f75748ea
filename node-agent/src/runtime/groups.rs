//! The control groups of processes that run already.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a group of processes may use. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Cores, in thousandths.
    pub cpu_milli: u64,
    /// Processes and threads.
    pub tasks: u64,
}

/// How the kernel keeps groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A tree each for memory, cpu and pids.
    V1,
    /// One tree for all.
    V2,
}

/// Where the groups are.
pub(super) const MOUNT: &str = "/sys/fs/cgroup";
/// Over so many microseconds cores are counted.
const PERIOD: u64 = 100_000;

/// The version this machine has.
#[must_use]
pub(super) fn version(mount: &Path) -> Version {
    if mount.join("cgroup.controllers").exists() {
        Version::V2
    } else {
        Version::V1
    }
}

/// The directories of one group: one for each tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    version: Version,
    directories: Vec<PathBuf>,
}

impl Groups {
    /// Groups whose directories are known.
    #[must_use]
    pub fn new(version: Version, directories: Vec<PathBuf>) -> Self {
        Self {
            version,
            directories,
        }
    }

    /// The groups of a process, from what `/proc/PID/cgroup` says. None when they are not all called
    /// by `name`: then they hold others, too.
    #[must_use]
    pub fn read(text: &str, mount: &Path, name: &str) -> Option<Self> {
        let mut found = Self::new(Version::V1, Vec::new());
        let mut unified = None;
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let path = path.trim_start_matches('/');
            if path.split('/').any(|part| part == "..") {
                return None;
            }
            let named = path.contains(name);
            if controllers.is_empty() && named {
                unified = Some(Self::new(Version::V2, vec![mount.join(path)]));
            }
            for controller in controllers.split(',') {
                if matches!(controller, "memory" | "cpu") {
                    if !named {
                        return None;
                    }
                    found.directories.push(mount.join(controller).join(path));
                }
            }
        }
        // Where both are mounted the trees of the first have the controllers.
        if found.directories.is_empty() {
            return unified;
        }
        (found.directories.len() == 2).then_some(found)
    }

    /// Sets memory and cores of a group that has processes.
    ///
    /// # Errors
    /// When one of them cannot be set, as with memory below what is in use.
    pub fn limit(&self, limits: Limits) -> io::Result<()> {
        self.limit_memory(limits.memory_bytes)?;
        self.limit_cpu(limits.cpu_milli)
    }

    /// Sets the memory, swap included.
    ///
    /// # Errors
    /// When it cannot be set.
    pub fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let memory = bytes.to_string();
        if self.version == Version::V2 {
            return self.set("memory.max", &memory);
        }
        let (plain, swap) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
        if !self.has(swap) {
            return self.set(plain, &memory);
        }
        // The first is never above the second: up in one order, down in the other.
        if self.set(plain, &memory).is_err() {
            self.set(swap, &memory)?;
            self.set(plain, &memory)?;
        }
        self.set(swap, &memory)
    }

    /// Sets the cores, in thousandths; zero is no limit.
    ///
    /// # Errors
    /// When they cannot be set.
    pub fn limit_cpu(&self, milli: u64) -> io::Result<()> {
        let quota = (milli > 0).then(|| (milli * PERIOD / 1000).max(1000).to_string());
        match self.version {
            Version::V2 => {
                let quota = quota.unwrap_or_else(|| "max".to_owned());
                self.set("cpu.max", &format!("{quota} {PERIOD}"))
            }
            Version::V1 => {
                self.set("cpu.cfs_period_us", &PERIOD.to_string())?;
                let quota = quota.unwrap_or_else(|| "-1".to_owned());
                self.set("cpu.cfs_quota_us", &quota)
            }
        }
    }

    /// Sets what the group's processes count beside those of others when cores are short: 2 to 262144, 1024 as a rule.
    ///
    /// # Errors
    /// When it cannot be set.
    pub fn weigh(&self, shares: u64) -> io::Result<()> {
        match self.version {
            // As OCI runtimes convert the one into the other: 1 to 10000.
            Version::V2 => {
                let weight = 1 + (shares.saturating_sub(2) * 9999) / 262_142;
                self.set("cpu.weight", &weight.to_string())
            }
            Version::V1 => self.set("cpu.shares", &shares.to_string()),
        }
    }

    fn has(&self, file: &str) -> bool {
        self.directories.iter().any(|path| path.join(file).exists())
    }

    /// Each file is in one of the trees.
    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        let place = self.directories.iter().map(|path| path.join(file));
        match place.into_iter().find(|path| path.exists()) {
            Some(path) => fs::OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes())),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no {file} in the control group"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        memory_bytes: 64 << 20,
        cpu_milli: 250,
        tasks: 0,
    };

    #[test]
    fn the_groups_of_a_container_are_found_in_both_versions() {
        let mount = Path::new("/m");
        let v1 =
            "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n2:pids:/docker/abc\n0::/docker/abc\n";
        let found = Groups::read(v1, mount, "abc").unwrap();
        assert_eq!(found.version, Version::V1);
        let places = ["/m/memory/docker/abc", "/m/cpu/docker/abc"].map(PathBuf::from);
        assert_eq!(found.directories, places);
        let v2 = "0::/system.slice/docker-abc.scope\n";
        let found = Groups::read(v2, mount, "abc").unwrap();
        assert_eq!(found.version, Version::V2);
        let place = PathBuf::from("/m/system.slice/docker-abc.scope");
        assert_eq!(found.directories, [place]);
    }

    #[test]
    fn groups_that_others_share_are_left_alone() {
        let mount = Path::new("/m");
        for text in [
            "",
            "0::/\n",
            "9:memory:/\n4:cpu,cpuacct:/docker/abc\n",
            "0::/../docker/abc\n",
            "9:memory:/docker/abc\n",
        ] {
            assert_eq!(Groups::read(text, mount, "abc"), None, "{text}");
        }
    }

    #[test]
    fn version_two_has_its_files() {
        let place = tempfile::tempdir().unwrap();
        for file in ["memory.max", "cpu.max"] {
            fs::write(place.path().join(file), "").unwrap();
        }
        let groups = Groups::new(Version::V2, vec![place.path().to_owned()]);
        groups.limit(LIMITS).unwrap();
        let read = |file: &str| fs::read_to_string(place.path().join(file)).unwrap();
        assert_eq!(read("memory.max"), (64 << 20).to_string());
        assert_eq!(read("cpu.max"), "25000 100000");
    }

    #[test]
    fn a_weight_is_set_in_both_versions() {
        for (version, file, behind, usual) in [
            (Version::V1, "cpu.shares", "64", "1024"),
            (Version::V2, "cpu.weight", "3", "39"),
        ] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join(file);
            let groups = Groups::new(version, vec![place.path().to_owned()]);
            assert!(groups.weigh(64).is_err(), "there is no {file}");
            for (shares, wanted) in [(64, behind), (1024, usual)] {
                fs::write(&path, "").unwrap();
                groups.weigh(shares).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), wanted);
            }
        }
    }

    #[test]
    fn a_limit_that_cannot_be_set_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("memory.limit_in_bytes"), "").unwrap();
        let groups = Groups::new(Version::V1, vec![place.path().to_owned()]);
        assert!(groups.limit(LIMITS).is_err());
    }
}
