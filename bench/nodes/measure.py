#!/usr/bin/env python3
"""A master with many nodes: what it holds and takes, how fast pods are placed, how soon it is itself again.

The nodes are simulated (bench/fleet): real certificates, links and data planes, but pods without containers, ready
50 ms after their assignment. All of them run on this machine, so that they, the masters and etcd share its cores: the
master's own seconds of CPU are what counts, and times are longer than they would be on machines of their own.

Figures count only from a machine that does nothing else: run it alone, with a release build.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(HERE)]

from cluster import Failure, build, end_on_signals, started  # noqa: E402
from packages import Lacking, need  # noqa: E402
from village import Village, build_fleet  # noqa: E402

STORES = ("embedded", "etcd")
# Kubernetes' benchmark of scheduler, API server and etcd fails below so many pods a second: without kubelets, with
# 5,000 nodes and 10,000 pods (test/integration/scheduler_perf/misc, SchedulingBasic), on its own machines.
KUBERNETES = 680


def measure(programs, flags, store):
    with started(Village(programs, flags.nodes, store == "etcd")) as village:
        found = {"nodes": flags.nodes, "empty": village.empty, "joined_seconds": village.joined}
        time.sleep(flags.settle)
        found["rest"] = village.watched(flags.seconds, lambda: time.sleep(0.2))
        each = flags.pods // flags.functions
        pods = each * flags.functions
        village.apply(flags.functions, each)
        found["placed"] = village.until_ready(pods, 280)
        time.sleep(flags.settle)
        found["rest_with_pods"] = village.watched(flags.seconds, lambda: time.sleep(0.2))
        on = list(village.pods().values())
        counts = [on.count(node) for node in set(on)]
        found["spread"] = {"nodes": len(counts), "most": max(counts), "least": min(counts)}
        found["churn"] = churn(village, flags, pods)
        found["fleet_memory"] = village.simulation()
        time.sleep(flags.settle)
        found["recovery"] = village.recover(pods)
        return found


def churn(village, flags, pods):
    """Pods are deleted, so many a second, and others take their places."""
    names = iter(village.pods())
    deleted, begun = 0, time.monotonic()

    def some():
        nonlocal deleted
        while deleted < (time.monotonic() - begun) * flags.churn:
            village.delete(next(names))
            deleted += 1
        time.sleep(0.05)

    found = village.watched(flags.seconds, some)
    settled = village.until_ready(pods, 120)
    return {**found, "pods_per_second": round(deleted / flags.seconds, 1), "settled_seconds": settled["seconds"]}


def placements():
    """The scheduler alone."""
    command = ["cargo", "bench", "--quiet", "-p", "master", "--bench", "placements"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}:\n{done.stderr}")
    return json.loads(done.stdout)


def megabytes(count):
    return f"{count / 1e6:.0f} MB"


def show(store, found):
    placed, back, spread = found["placed"], found["recovery"], found["spread"]
    print(f"\n{store}, {found['nodes']} nodes, joined in {found['joined_seconds']} s; master without any: {megabytes(found['empty']['memory']['now'])}")
    phases = {
        "rest": "at rest, no pods",
        "rest_with_pods": f"at rest, {placed['pods']} pods",
        "churn": f"{found['churn']['pods_per_second']:.0f} pods/s replaced",
    }
    for name, what in phases.items():
        one, nodes = found[name], found["nodes"]
        each = (one["memory"]["now"] - found["empty"]["memory"]["now"]) / nodes / 1e3
        print(f"  {what:28}{megabytes(one['memory']['now']):>9}  {each:>6.0f} kB a node  {one['cores']:>6.3f} cores  {one['cores'] / nodes * 1e6:>5.0f} µs of CPU a node and second")
    rate = placed["pods_per_second"]
    print(f"  {placed['pods']} pods placed and ready in {placed['seconds']} s: {rate}/s, {placed['master_cpu_seconds']} s of the master's CPU; {spread['least']} to {spread['most']} on each of {spread['nodes']} nodes")
    print(f"  Kubernetes' own limit for bound pods, without kubelets and on other machines: {KUBERNETES}/s ({rate / KUBERNETES:.1f}x)")
    how = "killed, the standby took over" if store == "etcd" else "killed and started again"
    # A standby answers reads all the time.
    api = "" if store == "etcd" else f"API after {back['api_seconds']} s, "
    print(f"  leader {how}: {api}a call after {back['call_seconds']} s, all nodes {back['all_linked_seconds']} s, all pods {back['all_ready_seconds']} s; {back['pods_lost']} pods lost, {back['pods_begun']} begun; {back['cpu_seconds']} s of CPU, {megabytes(back['memory']['peak'])} at most")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=10_000, help="of all functions together")
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--churn", type=float, default=50, help="pods deleted each second")
    parser.add_argument("--seconds", type=int, default=20, help="how long rest and churn are looked at")
    parser.add_argument("--settle", type=int, default=5)
    parser.add_argument("--store", choices=STORES, action="append", help="only on this one")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--programs", type=Path, help="where the programs are, fleet too; built if absent")
    flags = parser.parse_args()
    end_on_signals()
    # A link and a data plane for each node, and what the gateway keeps open to them.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    stores = flags.store or STORES
    found = {}
    try:
        if "etcd" in stores:
            need("etcd", "etcd-server", "the store of several masters")
        programs = flags.programs
        if not programs:
            programs = build(flags.profile)
            build_fleet(flags.profile)
            found["scheduler"] = placements()
            show_scheduler(found["scheduler"])
        for store in stores:
            found[store] = measure(programs.absolute(), flags, store)
            show(store, found[store])
    except (Failure, Lacking, subprocess.CalledProcessError) as failure:
        sys.exit(f"bench: {failure}")
    if flags.output:
        Path(flags.output).write_text(json.dumps(found, indent=2) + "\n")


def show_scheduler(found):
    print(f"the scheduler alone: {found['per_second']:.0f} choices/s with {found['nodes']} nodes and {found['pods']} pods")


if __name__ == "__main__":
    main()
