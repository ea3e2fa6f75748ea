#!/usr/bin/env python3
"""Ten functions, random calls, pods killed at random, scaled to zero and back, for some minutes.

At its end: no call is lost other than those inside a killed pod, every function was at zero, nothing is left of
pods, containers, mounts and sockets, and neither program grew. Prints a progress line; exits with 1 on a problem.
"""

import argparse
import json
import os
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]

from cluster import Cluster, Failure, build, end_on_signals, wait_until  # noqa: E402
from engine import engine  # noqa: E402
from packages import Lacking  # noqa: E402

import ledger  # noqa: E402
from functions import FUNCTIONS  # noqa: E402
from killer import Killer  # noqa: E402
from leaks import Growth, containers, mounts, processes  # noqa: E402
from load import Load  # noqa: E402

SAMPLE_SECONDS = 2
PATIENCE_SECONDS = 60


def pods(cluster):
    """Those that run; failed ones are kept for people to look at."""
    items = json.loads(cluster.run(["kubectl", "get", "pods", "-o", "json"]))["items"]
    return [pod for pod in items if pod.get("status", {}).get("phase") != "Failed"]


def apply(cluster):
    for function in FUNCTIONS:
        cluster.run(["kubectl", "apply", "--wait", "-f", function.write(cluster.home)])


def watch(cluster, load, killer, growth, seconds):
    """Looks on for so long; the functions that were seen with and then without a pod."""
    began, had, been_at_zero = time.monotonic(), set(), set()
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(SAMPLE_SECONDS)
        growth.sample()
        now = {pod["metadata"]["labels"]["troupe.dev/function"] for pod in pods(cluster)}
        been_at_zero |= had - now
        had |= now
        line = f"{passed:4.0f} of {seconds} s: {len(load.calls)} calls, {len(killer.killed)} pods killed, {len(been_at_zero)} functions back at zero"
        print(line, end="\r" if sys.stdout.isatty() else "\n", flush=True)
    return been_at_zero


def wait_for(what, look):
    """Waits until there is nothing left to see; a problem for each thing that stays."""
    try:
        wait_until(what, lambda: not look(), PATIENCE_SECONDS)
        return []
    except Failure:
        return [f"{one} is still there {PATIENCE_SECONDS} s after {what}" for one in look()]


def clear_away(cluster):
    """To zero, then no function: the problems on the way."""
    problems = wait_for("the last call", lambda: [pod["metadata"]["name"] for pod in pods(cluster)])
    cluster.run(["kubectl", "delete", "function", *(function.name for function in FUNCTIONS)])
    return problems + wait_for("its function", lambda: left_by_pods(cluster))


def left_by_pods(cluster):
    """Directories of pods; those that wait to become a function's are no function's."""
    places = (cluster.home / "agent" / "pods").iterdir()
    return sorted(place for place in places if not place.name.startswith("generic-"))


def soak(cluster, seconds, seed):
    """Runs it; the problems found while the cluster is up."""
    apply(cluster)
    load, killer = Load(cluster.gateway, FUNCTIONS, seed), Killer(cluster, seed)
    growth = Growth({name: process.pid for name, process in cluster.processes.items()})
    load.start()
    killer.start()
    try:
        been_at_zero = watch(cluster, load, killer, growth, seconds)
    finally:
        killer.end()
        load.end()
    problems = [f"the killer gave up: {killer.problem}"] if killer.problem else []
    if not killer.killed:
        problems.append("no pod was killed")
    problems += [f"{one.function}: {one.status} {one.text}" for one in ledger.lost(load.calls, killer.killed)]
    problems += [f"{function.name} was never scaled to zero" for function in FUNCTIONS if function.name not in been_at_zero]
    problems += clear_away(cluster)
    problems += growth.problems()
    print(f"\n{'function':16}{'calls':>8}{'in killed pods':>16}{'slowest s':>11}")
    for function, count, excused, slowest in ledger.summary(load.calls, killer.killed):
        print(f"{function:16}{count:>8}{excused:>16}{slowest:>11.2f}")
    for name, (megabytes, files) in growth.last().items():
        print(f"{name}: {megabytes:.0f} MB resident, {files} open files")
    return problems


def run(flags, stack):
    host = ""
    if flags.runtime == "docker":
        host = stack.enter_context(engine())
        # The agent reads it.
        os.environ["DOCKER_HOST"] = host
    cluster = Cluster(flags.programs.absolute() if flags.programs else build(flags.profile), runtime=flags.runtime)
    try:
        cluster.start()
        problems = soak(cluster, flags.seconds, flags.seed)
        if not cluster.stop():
            problems.append("a program did not end by itself")
        problems += [f"left behind: mount {one}" for one in mounts(cluster.home)]
        problems += [f"left behind: process {one}" for one in processes(cluster.home)]
        problems += [f"left behind: container {one}" for one in containers(host)]
    except BaseException:
        cluster.show_logs()
        raise
    finally:
        cluster.stop()
        if not flags.keep:
            cluster.remove()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--runtime", choices=("process", "docker"), default="process")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="where the programs are, instead of building them")
    parser.add_argument("--seed", type=int, help="the same seed makes the same plan of calls and kills")
    parser.add_argument("--keep", action="store_true", help="leave the cluster's directory, with its logs")
    flags = parser.parse_args()
    if flags.seed is None:
        flags.seed = random.randrange(1_000_000)
    print(f"soak of {flags.seconds} s with {flags.runtime} pods, seed {flags.seed}", flush=True)
    end_on_signals()
    try:
        with ExitStack() as stack:
            problems = run(flags, stack)
    except (Failure, Lacking) as failure:
        sys.exit(f"soak: {failure}")
    for problem in problems[:40]:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems" if problems else "no call lost, nothing left behind")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
