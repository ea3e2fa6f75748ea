"""What must not stay behind or grow."""

import subprocess
from pathlib import Path


def mounts(home):
    """Mounts in or from a directory."""
    return sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line)


def processes(home):
    """Processes that have a directory in their command line or environment, or work in it."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            said = (one / "cmdline").read_bytes() + b"\0" + (one / "environ").read_bytes()
            if str(home).encode() in said or str(home) in str((one / "cwd").readlink()):
                found.append(f"{one.name}: {(one / 'cmdline').read_bytes().replace(bytes(1), b' ').decode(errors='replace')[:120]}")
        except OSError:
            continue
    return found


def containers(host):
    """All containers of an engine that is a test's own."""
    if not host:
        return []
    command = ["docker", "-H", host, "ps", "-a", "--format", "{{.ID}} {{.Image}} {{.Status}}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def resident_mb(process):
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def open_files(process):
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


class Growth:
    """Memory and open files of the programs, up to the end of a run."""

    def __init__(self, programs):
        self._programs = programs
        self._samples = {name: [] for name in programs}

    def sample(self):
        for name, process in self._programs.items():
            self._samples[name].append((resident_mb(process), open_files(process)))

    def problems(self):
        """Programs that took more in the last third than ever before, and not a little."""
        found = []
        for name, samples in self._samples.items():
            third = len(samples) // 3
            if third < 5:
                continue
            earlier, last = samples[: 2 * third], samples[2 * third :]
            for what, index, allowed in (("MB", 0, 8), ("open files", 1, 24)):
                before, after = (max(one[index] for one in part) for part in (earlier, last))
                if after > before * 1.15 + allowed:
                    found.append(f"{name} went from {before:.0f} to {after:.0f} {what}")
        return found

    def last(self):
        return {name: samples[-1] for name, samples in self._samples.items() if samples}
