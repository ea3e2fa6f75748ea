#!/usr/bin/env python3
"""Our gateway in front of one pod against nginx in front of the same pod and the pod itself, side by side.

One cluster, one function, one pod; three loads: a call that adds two numbers, one with a millisecond of work, one that
sleeps 50 ms. The gateway reaches the pod's Unix socket itself, as it does where both share a machine; nginx has that
socket as its upstream, with kept connections and one worker for each core, as packages ship it; the way straight to
the pod is a second server of the same code on a TCP port, because wrk speaks no Unix sockets. With --across the pod
is on another machine as far as both know: the gateway goes through the agent, and nginx through a second nginx, both
over mutual TLS on loopback. Rounds measure all in turn, starting with another one each time, so that a ratio compares
neighbours in time. The load is wrk's.

Figures count only from a machine that does nothing else: run it alone, with a release build.
"""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tools"), str(HERE)]

import rounds  # noqa: E402
import ways  # noqa: E402
from cluster import Failure, build, end_on_signals  # noqa: E402
from packages import Lacking  # noqa: E402


def compare(flags):
    with ExitStack() as servers:
        cluster, url, pod = servers.enter_context(ways.cluster(build(flags.profile), near=not flags.across))
        urls = {"gateway": url}
        if flags.across:
            urls["nginx to nginx"] = servers.enter_context(ways.nginx_across(cluster.home, pod))
        else:
            urls["nginx"] = servers.enter_context(ways.nginx(cluster.home, pod))
            urls["straight"] = servers.enter_context(ways.straight(cluster.home))
        return rounds.measure(urls, flags.rounds, flags.seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write the result as JSON")
    parser.add_argument("--across", action="store_true", help="the pod is on another machine: through the agent, over TLS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="per server and number of clients in a round")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    try:
        found = rounds.summary(compare(flags), "gateway")
    except (Failure, Lacking) as failure:
        sys.exit(f"bench: {failure}")
    rounds.show(found, "gateway")
    if flags.output:
        Path(flags.output).write_text(json.dumps({"rounds": flags.rounds, "seconds": flags.seconds, "loads": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
