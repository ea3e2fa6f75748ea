#!/usr/bin/env python3
"""All side-by-side benchmarks: one table of ratios, and everything measured in bench/results.json."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tools"))

from packages import Lacking, need  # noqa: E402

RESULTS = HERE / "results.json"


def measured(script, *flags):
    """What one benchmark writes with --output."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        print(" ".join(("\n$", str(script.relative_to(ROOT)), *flags)), flush=True)
        done = subprocess.run([sys.executable, script, *flags, "--output", file.name], cwd=ROOT, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"{script.relative_to(ROOT)} failed")
        return json.loads(Path(file.name).read_text())


def rows(results):
    """(what, against what, clients, times the calls per second, times less p99)"""
    for name, by_clients in results["func_base"]["servers"].items():
        for clients, found in by_clients.items():
            if name != "func-base":
                yield "func-base", name, clients, found["ratio"]
    for way in ("gateway", "gateway across"):
        for load, by_clients in results[way]["loads"].items():
            for clients, found in by_clients.items():
                for name, ratio in found["ratio"].items():
                    yield f"{way}, {load}", f"{name}, same pod", clients, ratio


def show_runs(results):
    """Steps of durable runs against what SQLite does on the same disk."""
    print(f"\n{'':20}{'chain':12}{'at once':>8}{'steps/s':>10}{'p50 ms':>9}{'times SQLite':>14}")
    for fsync, one in results["runs"]["fsync"].items():
        for chain, by_clients in one["chains"].items():
            for clients, row in by_clients.items():
                times = row["steps_per_second"] / one["yardstick"]["inserts"]
                print(f"{'runs, fsync ' + fsync:20}{chain:12}{clients[1:]:>8}{row['steps_per_second']:>10.0f}{row['p50_ms']:>9.2f}{times:>13.1f}x")


def show_held(results):
    """What runs that wait and Maps over many items take of the master's memory."""
    runs = results["runs"]
    if "waiting" in runs:
        one = runs["waiting"]
        held, again = (one[which]["now"] for which in ("master", "master_restarted"))
        print(f"{'waiting runs':20}{one['runs']:>12} {held / 1e6:>8.0f} MB, started again {again / 1e6:.0f} MB, {again / one['runs'] / 1e3:.1f} kB each")
    for name, one in runs.get("maps", {}).items():
        print(f"{'Map, ' + name:20}{one['items']:>12} items, {one['items_per_second']}/s, master at most {one['master']['peak'] / 1e6:.0f} MB")


def show_nodes(results):
    """What simulated nodes take of a master; the large cluster is `make bench-nodes`."""
    for store in ("embedded", "etcd"):
        one = results["nodes"][store]
        placed, back = one["placed"], one["recovery"]
        held = one["rest_with_pods"]["memory"]["now"]
        print(f"{'nodes, ' + store:20}{one['nodes']:>12} with {placed['pods']} pods, {held / 1e6:.0f} MB, {placed['pods_per_second']} pods/s placed, a dead leader's pods all accounted for after {back['all_ready_seconds']} s")
    print(f"{'scheduler alone':20}{results['nodes']['scheduler']['per_second']:>12.0f} choices/s, {results['nodes']['scheduler']['nodes']} nodes")


def cold_starts(results):
    """(runtime, way, times the median, times p99)"""
    for runtime, found in results["cold_start"].items():
        for way in ("hits", "misses", "burst"):
            if "ratio" in found.get(way, {}):
                yield runtime, way, found[way]["ratio"]


def show_memory(results):
    print(f"\n{'memory, KiB':20}{'an idle function':>18}{'a warm pod':>12}")
    for runtime, found in results["cold_start"].items():
        if "generic_pod_kib" in found:
            print(f"{runtime:20}{found['idle_function_kib']:>18}{found['generic_pod_kib']:>12}")


def show_takeovers(results):
    """How long calls that need the leader wait for the next one."""
    for how, one in results["masters"].items():
        takeover, silence = one["takeover_s"], one["longest_silence_s"]
        print(f"{'leader ' + how:20}{one['n']:>12} times, another leads after {takeover['median']:.1f} s, {takeover['most']:.1f} at most; no answer for {silence['most']:.1f} s at most")


def show(results):
    print(f"\n{'':24}{'against':26}{'clients':>8}{'calls/s':>10}{'p99':>10}   above 1: ours is better")
    for what, against, clients, ratio in rows(results):
        print(f"{what:24}{against:26}{clients[1:]:>8}{ratio['calls_per_second']:>9.2f}x{ratio['p99']:>9.2f}x")
    print(f"\n{'first call':20}{'against':32}{'p50':>10}{'p99':>10}")
    for runtime, way, ratio in cold_starts(results):
        print(f"{runtime + ', ' + way:20}{'docker run of Flask':32}{ratio['p50_ms']:>9.1f}x{ratio['p99_ms']:>9.1f}x")
    show_memory(results)
    show_runs(results)
    show_held(results)
    show_nodes(results)
    show_takeovers(results)
    print(f"\nwritten to {RESULTS.relative_to(ROOT)}")


def main():
    try:
        need("wrk", "wrk", "the load of benchmarks")
        need("nginx", "nginx", "the proxy to compare the gateway with")
    except Lacking as lacking:
        sys.exit(f"bench: {lacking}")
    results = {name: measured(HERE / name / "compare.py") for name in ("func_base", "gateway", "cold_start", "runs")}
    results["gateway across"] = measured(HERE / "gateway" / "compare.py", "--across")
    results["nodes"] = measured(HERE / "nodes" / "measure.py", "--nodes", "200", "--pods", "2000", "--seconds", "10")
    results["masters"] = measured(HERE / "masters" / "takeover.py")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    show(results)


if __name__ == "__main__":
    main()
