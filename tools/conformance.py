#!/usr/bin/env python3
"""Recorded Step Functions executions against a running engine.

Starts the real programs on free loopback ports, applies the functions that the recordings call, and lets the
recordings' own scorer (score.py, beside them) run each of them through the Step Functions API with boto3.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from cluster import ROOT, Cluster, Failure, build, end_on_signals, target
from packages import Lacking, python_with

FUNCTIONS = ROOT / "tools" / "conformance" / "functions.yaml"


def main():
    end_on_signals()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="directory with score.py and the recordings")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--failures", type=int, default=20, help="how many misses are explained")
    arguments = parser.parse_args()
    scorer = arguments.cases / "score.py"
    if not scorer.exists():
        sys.exit(f"no recordings at {arguments.cases}: make conformance CASES=DIR")
    recordings = [arguments.cases / name for name in ("choice.json", "history.json")]
    cluster = Cluster(build(arguments.profile), step_functions=True)
    try:
        cluster.start()
        print(cluster.run(["kubectl", "apply", "--wait", "-f", FUNCTIONS]))
        score = [python_with("boto3", home=target()), scorer, cluster.step_functions, *recordings, "--failures", str(arguments.failures)]
        return subprocess.run(score).returncode
    except (Failure, Lacking) as failure:
        cluster.show_logs()
        sys.exit(f"make conformance: {failure}")
    finally:
        cluster.stop()
        cluster.remove()


if __name__ == "__main__":
    sys.exit(main())
