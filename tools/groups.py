#!/usr/bin/env python3
"""Pods under control groups of version 2: run by tools/test.py inside a virtual machine that has no others.

    groups.py BASE-IMAGE PROGRAM:TEST,TEST…

Starts a Docker engine and runs these tests of each program.
"""

import os
import subprocess
import sys
from pathlib import Path

from cluster import ROOT
from engine import engine

GROUPS = Path("/sys/fs/cgroup")


def main():
    base, *programs = sys.argv[1:]
    controllers = (GROUPS / "cgroup.controllers").read_text().split()
    lacking = {"cpu", "memory", "pids"} - set(controllers)
    if lacking:
        sys.exit(f"version 2 has no controller {', '.join(sorted(lacking))} here")
    failed = 0
    with engine() as host:
        version = subprocess.run(["docker", "-H", host, "info", "--format", "{{.CgroupVersion}}"], capture_output=True, text=True).stdout.strip()
        print(f"the engine has control groups of version {version}", flush=True)
        failed += version != "2"
        environment = {**os.environ, "TROUPE_TEST_DOCKER_HOST": host, "TROUPE_TEST_BASE_IMAGE": base, "CI": "true"}
        for one in programs:
            program, _, tests = one.partition(":")
            command = [program, "--color", "never", "--test-threads", "1", "--exact", *tests.split(",")]
            failed += subprocess.run(command, cwd=ROOT / "node-agent", env=environment).returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
