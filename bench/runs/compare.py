#!/usr/bin/env python3
"""Durable runs beside what the disk allows: chains of states, waiting runs, and Maps over many items.

One cluster, started fresh; its client is wrk, which starts a run by HTTP and waits for the result. Chains of 1, 10 and
100 Pass states and of 10 calls of a function in one warm pod, one at a time and 64 at a time, with each commit on disk
before it is acknowledged and (store-fsync: interval) soon after. Beside them two yardsticks on the same disk in the same
minutes: appends to a file with an fsync each, and rows put into SQLite, each a durable transaction.

Figures count only from a machine that does nothing else: run it alone, with a release build.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import house
import machines
import yardstick
from house import HERE, Failure

from cluster import build, end_on_signals  # noqa: E402
from packages import Lacking  # noqa: E402

CLIENTS = (1, 64)
FSYNC = ("always", "interval")
SETTLE_SECONDS = 3


def steps_of(cluster, name, steps, clients, seconds):
    before = house.counted(cluster)
    load = house.wrk(f"{cluster.gateway}/state_machine/{name}", "start.lua", clients, seconds)
    after = house.counted(cluster)
    counts = {what: after[what] - before[what] for what in before}
    return {
        "steps_per_second": round(load["calls_per_second"] * steps, 1),
        "p50_ms": load["p50_ms"],
        "p99_ms": load["p99_ms"],
        "syncs_per_second": round(counts["syncs"] / seconds, 1),
        "syncs_per_step": round(counts["syncs"] / max(load["requests"] * steps, 1), 4),
        "commits_per_run": round(counts["commits"] / max(load["requests"], 1), 2),
    }


def chains(programs, fsync, rounds, seconds):
    """By chain and number of clients: medians of the rounds. And the yardsticks, taken between the rounds."""
    samples, sticks = {}, {"appends": [], "inserts": []}
    with house.cluster(programs, store_fsync=fsync) as cluster:
        time.sleep(SETTLE_SECONDS)
        idle = house.memory(cluster)["now"]
        cluster.run(["kubectl", "apply", HERE / "function.yaml"])
        for name, (definition, _) in machines.CHAINS.items():
            house.apply(cluster, name, machines.manifest(name, definition))
            # The pod is warm, and the first of everything is over.
            house.run(cluster, name, wait=120)
        for number in range(rounds):
            sticks["appends"].append(yardstick.appends(cluster.home))
            sticks["inserts"].append(yardstick.inserts(cluster.home))
            for name, (_, steps) in machines.CHAINS.items():
                for clients in CLIENTS:
                    found = steps_of(cluster, name, steps, clients, seconds)
                    samples.setdefault(name, {}).setdefault(f"c{clients}", []).append(found)
            print(f"fsync {fsync}: round {number + 1} of {rounds} done", file=sys.stderr)
    medians = {name: {clients: median(rows) for clients, rows in by_clients.items()} for name, by_clients in samples.items()}
    return {"idle_master_bytes": idle, "chains": medians, "yardstick": {name: statistics.median(values) for name, values in sticks.items()}}


def median(rows):
    return {field: round(statistics.median(row[field] for row in rows), 4) for field in rows[0]}


def waiting(programs, count):
    """What the master holds when so many runs wait, before and after it was started again."""
    # What is asked is memory: the runs are as durable within 50 ms.
    with house.cluster(programs, store_fsync="interval") as cluster:
        house.apply(cluster, "waiting", machines.manifest("waiting", machines.WAITING))
        begun, started = time.monotonic(), 0
        while started < count:
            started += house.wrk(f"{cluster.gateway}/state_machine/waiting", "park.lua", 64, 5)["requests"]
        seconds = time.monotonic() - begun
        time.sleep(SETTLE_SECONDS)
        held = house.memory(cluster)
        cluster.restart("master")
        time.sleep(SETTLE_SECONDS)
        again = house.memory(cluster)
    return {"runs": started, "seconds": round(seconds, 1), "master": held, "master_restarted": again}


def maps(programs, items):
    """Maps over so many items: in the run itself, and as runs of their own."""
    found = {}
    with house.cluster(programs, runs__max_events="1000000") as cluster:
        bucket = cluster.home / "buckets" / "bench"
        bucket.mkdir(parents=True)
        (bucket / "items.json").write_text(json.dumps(list(range(items))))
        for name, definition in {"inline": machines.inline(items), "distributed": machines.distributed("bench", "items.json")}.items():
            house.apply(cluster, name, machines.manifest(name, definition))
            before = house.counted(cluster)
            _, seconds = house.run(cluster, name, wait=240)
            after = house.counted(cluster)
            found[name] = {
                "items": items,
                "seconds": round(seconds, 2),
                "items_per_second": round(items / seconds),
                "syncs": after["syncs"] - before["syncs"],
                "master": house.memory(cluster),
            }
    return found


def show(found):
    for fsync, one in found["fsync"].items():
        sticks = one["yardstick"]
        print(f"\nfsync {fsync}; this disk: {sticks['appends']:.0f} synced appends/s, {sticks['inserts']:.0f} SQLite transactions/s; idle master {one['idle_master_bytes'] / 1e6:.0f} MB")
        print(f"{'chain':10}{'at once':>8}{'steps/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'syncs/s':>9}{'syncs/step':>12}{'times SQLite':>14}")
        for name, by_clients in one["chains"].items():
            for clients, row in by_clients.items():
                times = row["steps_per_second"] / sticks["inserts"]
                line = f"{name:10}{clients[1:]:>8}{row['steps_per_second']:>10.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
                print(line + f"{row['syncs_per_second']:>9.0f}{row['syncs_per_step']:>12.4f}{times:>13.1f}x")
    if "waiting" in found:
        one = found["waiting"]
        print(f"\n{one['runs']} waiting runs, begun in {one['seconds']} s: master {one['master']['now'] / 1e6:.0f} MB; started again {one['master_restarted']['now'] / 1e6:.0f} MB")
    for name, one in found.get("maps", {}).items():
        print(f"Map over {one['items']} items, {name}: {one['seconds']} s, {one['items_per_second']}/s, {one['syncs']} syncs, master at most {one['master']['peak'] / 1e6:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="per chain and number of clients in a round")
    parser.add_argument("--waiting", type=int, default=100_000, help="runs that wait; 0 leaves that out")
    parser.add_argument("--items", type=int, default=100_000, help="items of the Maps; 0 leaves them out")
    parser.add_argument("--fsync", choices=FSYNC, nargs="*", default=FSYNC)
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--programs", type=Path, help="where the programs are; built if absent")
    flags = parser.parse_args()
    end_on_signals()
    try:
        programs = flags.programs or build(flags.profile)
        found = {"fsync": {fsync: chains(programs, fsync, flags.rounds, flags.seconds) for fsync in flags.fsync}}
        if flags.waiting:
            found["waiting"] = waiting(programs, flags.waiting)
        if flags.items:
            found["maps"] = maps(programs, flags.items)
    except (Failure, Lacking) as failure:
        sys.exit(f"bench: {failure}")
    show(found)
    if flags.output:
        flags.output = Path(flags.output)
        flags.output.write_text(json.dumps({"rounds": flags.rounds, "seconds": flags.seconds, **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
