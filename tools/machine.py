"""A virtual machine under another kernel, with this machine's disk: what it writes goes with it.

Its kernel is Debian's and has control groups of version 2 alone. The processor is emulated, so it needs nothing of the
machine below, and is some ten times slower. It has no network but its own.
"""

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from cluster import end, tail, target
from packages import Lacking, is_root, need, update

MEMORY = "6G"
# Its end is told in a line of its own: an emulated machine has no exit code.
ENDED = "the command ended with "
BEHIND = 5
# What the kernel needs before it has its disk.
MODULES = ("virtio_pci", "virtiofs", "overlay")

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /host /over /new
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
$b mount -t virtiofs -o ro host /host || $b poweroff -f
$b mount -t tmpfs -o mode=755,size=80% over /over
$b mkdir /over/upper /over/work
$b mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work root /new || $b poweroff -f
for directory in proc sys dev; do $b mount --move /$directory /new/$directory; done
# Where an engine keeps its layers and sockets are made: an overlay cannot lie on another.
$b mount -t tmpfs -o mode=755 run /new/run
$b mkdir -p -m 1777 /new/run/tmp
$b mount -t cgroup2 groups /new/sys/fs/cgroup
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts pts /new/dev/pts
$b mount -t tmpfs shm /new/dev/shm
# The kernel hands on what it does not know of its command line.
exec $b switch_root /new /bin/sh "$command"
"""

COMMAND = """ip link set lo up
mkdir -p /lib/modules && cp -rs {modules} /lib/modules/
cd {cwd}
{{ env {variables} {command}; echo "{ended}$?"; }} 2>&1 </dev/null | cat
echo o > /proc/sysrq-trigger
while :; do :; done
"""


def _kernel():
    """Debian's kernel for virtual machines, in the target directory: the image, and the directory of its modules."""
    home = target() / "kernel"
    if not (home / "done").exists():
        if shutil.which("apt-get") is None:
            raise Lacking("there is no apt-get to fetch a kernel with")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        update()
        depends = subprocess.run(["apt-cache", "depends", "--important", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
        names = [word for word in depends.split() if word.startswith("linux-image-6") or word.startswith("linux-image-7")]
        if not names:
            raise Lacking("Debian's packages have no linux-image-cloud-amd64")
        print(f"fetching {names[0]}: the kernel of the virtual machine", flush=True)
        done = subprocess.run(["apt-get", "download", "-q", names[0]], cwd=home, capture_output=True, text=True)
        packages = list(home.glob("*.deb"))
        if not packages:
            raise Lacking(f"fetching {names[0]} failed: {done.stderr.strip()[-300:]}")
        subprocess.run(["dpkg", "-x", packages[0], home], check=True)
        packages[0].unlink()
        (modules,) = (home / "lib" / "modules").iterdir()
        subprocess.run([need("depmod", "kmod", "the kernel's modules"), "-b", home, modules.name], check=True)
        (home / "done").touch()
    (modules,) = (home / "lib" / "modules").iterdir()
    (image,) = (home / "boot").glob("vmlinuz-*")
    return image, modules


def _first_disk(modules, home):
    """What the kernel starts from: a shell, and the way to its disk."""
    root = home / "root"
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy(need("busybox", "busybox-static", "the first program of the virtual machine"), root / "bin" / "busybox")
    names = []
    for module in MODULES:
        shown = [need("modprobe", "kmod", "the kernel's modules"), "-d", modules.parents[2], "-S", modules.name, "--show-depends", module]
        lines = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.splitlines()
        for file in (Path(line.split()[1]) for line in lines if line.startswith("insmod")):
            if file.name not in names:
                names.append(file.name)
                shutil.copy(file, root / "modules" / file.name)
    (root / "modules" / "order").write_text("\n".join(names) + "\n")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    disk = home / "first-disk"
    files = "\n".join(str(file.relative_to(root)) for file in sorted(root.rglob("*")))
    with open(disk, "wb") as output:
        cpio = [need("cpio", "cpio", "packs the first disk of the virtual machine"), "-o", "-H", "newc", "--quiet"]
        subprocess.run(cpio, cwd=root, input=files.encode(), stdout=output, check=True)
    return disk


def run(command, cwd, seconds, **variables):
    """Runs a command in a virtual machine, shows what it prints as it comes, and returns its exit code and output."""
    if platform.machine() != "x86_64":
        raise Lacking("the virtual machine is an x86_64 one")
    if not is_root():
        raise Lacking("only root may share the disk with a virtual machine")
    emulator = need("qemu-system-x86_64", "qemu-system-x86", "a machine under another kernel")
    server = Path("/usr/lib/qemu/virtiofsd")
    server = server if server.exists() else need("virtiofsd", "virtiofsd", "shares the disk with a virtual machine")
    image, modules = _kernel()
    print(f"\n$ {' '.join(map(str, command))}  # in a virtual machine", flush=True)
    # On the disk that the machine sees, as the script must be.
    with tempfile.TemporaryDirectory(prefix="machine-", dir=target()) as home:
        home = Path(home)
        disk, socket, script = _first_disk(modules, home), home / "disk.sock", home / "command"
        variables = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": os.environ.get("HOME", "/root"), "TMPDIR": "/run/tmp", **variables}
        words = {
            "modules": shlex.quote(str(modules)),
            "cwd": shlex.quote(str(cwd)),
            "variables": " ".join(shlex.quote(f"{name}={value}") for name, value in variables.items()),
            "command": shlex.join(map(str, command)),
            "ended": ENDED,
        }
        script.write_text(COMMAND.format(**words))
        with open(home / "log", "wb") as log:
            shared = subprocess.Popen(
                [server, f"--socket-path={socket}", "-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                until = time.monotonic() + 10
                while not socket.exists() and time.monotonic() < until and shared.poll() is None:
                    time.sleep(0.05)
                if not socket.exists():
                    raise Lacking(f"virtiofsd did not start:\n{tail(home / 'log', 5)}")
                machine = [
                    emulator, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(os.cpu_count() or 1), "-machine", "q35", "-m", MEMORY,
                    "-object", f"memory-backend-memfd,id=memory,size={MEMORY},share=on", "-numa", "node,memdev=memory",
                    "-chardev", f"socket,id=disk,path={socket}", "-device", "vhost-user-fs-pci,chardev=disk,tag=host",
                    "-kernel", image, "-initrd", disk, "-append", f"console=ttyS0 loglevel=1 panic=-1 cgroup_no_v1=all command={script}",
                    "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
                ]  # fmt: skip
                return _watched(["timeout", "--kill-after", str(BEHIND), str(seconds), *map(str, machine)])
            finally:
                end(shared, BEHIND)


def _watched(command):
    lines, code = [], None
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            line = line.rstrip("\r\n") + "\n"
            print(line, end="", flush=True)
            lines.append(line)
            if line.startswith(ENDED):
                code = int(line[len(ENDED) :])
    if code is None:
        lines.append("the virtual machine ended before its command did\n")
        print(lines[-1], end="", flush=True)
    return 1 if code is None else code, "".join(lines)
