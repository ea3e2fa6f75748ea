"""Rounds of load on several ways to one function, in turn, and what ours is worth beside the others."""

import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import load  # noqa: E402

CLIENTS = (1, 16, 64)
LOADS = {"computes": HERE.parent / "func_base" / "call.lua", "works": HERE / "work.lua", "sleeps": HERE / "sleep.lua"}


def wrk(url, name, clients, seconds):
    found = load.wrk(url, LOADS[name], clients, seconds, timeout=10)
    return {field: found[field] for field in ("calls_per_second", "p50_ms", "p99_ms")}


def measure(urls, rounds, seconds):
    """Samples by load, number of clients and way; each round begins with another way."""
    samples = {what: {clients: {name: [] for name in urls} for clients in CLIENTS} for what in LOADS}
    names = sorted(urls)
    for url in urls.values():
        wrk(url, "computes", 16, 1)
    for number in range(rounds):
        turn = number % len(names)
        for what, by_clients in samples.items():
            for clients, by_name in by_clients.items():
                for name in names[turn:] + names[:turn]:
                    by_name[name].append(wrk(urls[name], what, clients, seconds))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return samples


def ratio(ours, theirs):
    """Medians of the rounds' ratios; above 1: ours is better."""
    pairs = list(zip(ours, theirs))
    return {
        "calls_per_second": round(statistics.median(a["calls_per_second"] / b["calls_per_second"] for a, b in pairs), 2),
        "p50": round(statistics.median(b["p50_ms"] / a["p50_ms"] for a, b in pairs), 2),
        "p99": round(statistics.median(b["p99_ms"] / a["p99_ms"] for a, b in pairs), 2),
    }


def summary(samples, ours):
    """By load and number of clients: medians of each way, and the ratios of `ours` to the others."""
    found = {}
    for what, by_clients in samples.items():
        for clients, by_name in by_clients.items():
            medians = {name: {field: round(statistics.median(one[field] for one in rounds), 3) for field in rounds[0]} for name, rounds in by_name.items()}
            ratios = {name: ratio(by_name[ours], by_name[name]) for name in by_name if name != ours}
            found.setdefault(what, {})[f"c{clients}"] = {**medians, "ratio": ratios}
    return found


def show(found, ours):
    print(f"{'load':10}{'clients':>8}{'way':>16}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}   {ours} is better by: calls/s, p99")
    for what, by_clients in found.items():
        for clients, row in by_clients.items():
            for name in [ours, *row["ratio"]]:
                one = row[name]
                line = f"{what:10}{clients[1:]:>8}{name:>16}{one['calls_per_second']:>10.0f}{one['p50_ms']:>9.2f}{one['p99_ms']:>9.2f}"
                if name != ours:
                    line += f"{row['ratio'][name]['calls_per_second']:>10.2f}x{row['ratio'][name]['p99']:>8.2f}x"
                print(line)
