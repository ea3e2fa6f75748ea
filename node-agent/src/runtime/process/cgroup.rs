use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use crate::runtime::groups::{Groups, Limits, MOUNT, Version, version};

/// Where this agent's cgroups are, where they can be written. The directories themselves are made
/// with the first pod and removed with the last.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// The agent's own directory in each tree.
    bases: Vec<PathBuf>,
    version: Version,
    limits_memory: bool,
}

/// Tries to remove the groups at the end, and the pause between two.
const CLOSE_ATTEMPTS: u32 = 50;
const CLOSE_PAUSE: Duration = Duration::from_millis(20);

impl Cgroups {
    /// Looks at what can be written by doing it.
    pub(super) fn detect(node_id: &str) -> Self {
        let name = format!("troupe-{node_id}");
        let mount = Path::new(MOUNT);
        let version = version(mount);
        let bases = match version {
            Version::V2 => vec![mount.join(name)],
            Version::V1 => ["memory", "cpu", "pids"]
                .map(|tree| mount.join(tree).join(&name))
                .to_vec(),
        };
        let mut cgroups = Self {
            bases,
            version,
            limits_memory: false,
        };
        cgroups.make_bases();
        cgroups
            .bases
            .retain(|base| base.join("cgroup.procs").exists());
        cgroups.limits_memory = cgroups.bases.iter().any(|base| match version {
            Version::V1 => base.join("memory.limit_in_bytes").exists(),
            Version::V2 => fs::read_to_string(base.join("cgroup.subtree_control"))
                .is_ok_and(|text| text.split_whitespace().any(|word| word == "memory")),
        });
        cgroups.close();
        cgroups
    }

    pub(super) fn limits_memory(&self) -> bool {
        self.limits_memory
    }

    /// Where this is refused there are no limits; the node says so.
    fn make_bases(&self) {
        for base in &self.bases {
            let _ = fs::create_dir(base);
            if self.version == Version::V1 {
                continue;
            }
            for directory in [Path::new(MOUNT), base] {
                for controller in ["+memory", "+cpu", "+pids"] {
                    let _ = fs::write(directory.join("cgroup.subtree_control"), controller);
                }
            }
        }
    }

    /// Makes a pod's groups; tells which, and whether they limit memory.
    pub(super) fn create(&self, name: &str, limits: Limits) -> (Vec<PathBuf>, bool) {
        self.make_bases();
        let mut made = Vec::new();
        let mut memory = false;
        for base in &self.bases {
            let path = base.join(name);
            let exists = fs::create_dir(&path).is_ok() || path.is_dir();
            if !exists || !path.join("cgroup.procs").exists() {
                continue;
            }
            memory |= self.limit(&path, limits);
            made.push(path);
        }
        (made, memory)
    }

    /// Sets what can be set; tells whether memory is limited. Each file is in one of the trees.
    fn limit(&self, path: &Path, limits: Limits) -> bool {
        let set = |file: &str, value: String| fs::write(path.join(file), value).is_ok();
        set("pids.max", limits.tasks.to_string());
        set("memory.swap.max", "0".to_owned());
        let alone = |file: &str| {
            path.join(file)
                .exists()
                .then(|| Groups::new(self.version, vec![path.to_owned()]))
        };
        let (memory, cpu) = match self.version {
            Version::V2 => ("memory.max", "cpu.max"),
            Version::V1 => ("memory.limit_in_bytes", "cpu.cfs_quota_us"),
        };
        if let Some(groups) = alone(cpu)
            && limits.cpu_milli > 0
        {
            // Where it is refused cores are not limited.
            let _ = groups.limit_cpu(limits.cpu_milli);
        }
        alone(memory).is_some_and(|groups| groups.limit_memory(limits.memory_bytes).is_ok())
    }

    /// The groups of a pod that runs, when memory is limited by them.
    pub(super) fn groups(&self, name: &str) -> Option<Groups> {
        let directories = self.bases.iter().map(|base| base.join(name)).collect();
        self.limits_memory
            .then(|| Groups::new(self.version, directories))
    }

    /// Removes a pod's groups; the supervisor usually has.
    pub(super) fn remove(&self, name: &str) {
        for base in &self.bases {
            let _ = fs::remove_dir(base.join(name));
        }
    }

    /// Removes groups of pods nobody knows, when they are empty.
    pub(super) fn sweep(&self, known: &BTreeSet<String>) {
        for base in &self.bases {
            for entry in fs::read_dir(base).into_iter().flatten().flatten() {
                if !known.contains(entry.file_name().to_string_lossy().as_ref()) {
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }

    /// Removes the agent's own groups. Works only when no pod is left, as it should.
    pub(super) fn close(&self) {
        for attempt in 0..CLOSE_ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(CLOSE_PAUSE);
            }
            self.sweep(&BTreeSet::new());
            // A group stays busy for a moment after its last process has ended.
            let left = self.bases.iter().filter(|base| {
                let gone = fs::remove_dir(base);
                gone.is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
            });
            if left.count() == 0 {
                return;
            }
        }
    }
}
