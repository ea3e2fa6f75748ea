#!/usr/bin/env python3
"""Recorded Step Functions executions against a running engine.

Starts the real programs on free loopback ports, applies the functions that the recordings call, and lets the
recordings' own scorer (score.py, beside them) run each of them through the Step Functions API with boto3. Fails when a
case falls short that tools/conformance/README.md does not explain, or a level falls below its goal.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from cluster import ROOT, Cluster, Failure, build, end_on_signals, target
from packages import Lacking, python_with

FUNCTIONS = ROOT / "tools" / "conformance" / "functions.yaml"
EXPLAINED = ROOT / "tools" / "conformance" / "README.md"
# Of the cases that can be reached, in hundredths.
GOALS = {"D": 98, "E": 95}


def explained():
    """The cases that fall short for a reason, and the reasons."""
    return dict(re.findall(r"^\| `(.+?)` \| [A-F-] \| (.+) \|$", EXPLAINED.read_text(), re.MULTILINE))


def judge(report):
    """What is wrong with the scorer's report; nothing when all is well."""
    total, levels = re.search(r"^(\d+) cases  (.*)$", report, re.MULTILINE).groups()
    reached = {level: int(count) for level, count in re.findall(r"([A-F]) (\d+)", levels)}
    # Level E and better are not listed.
    short = {name: level for level, name in re.findall(r"^\[([A-F-])\] (.+)$", report, re.MULTILINE)}
    reasons = explained()
    print(f"\n{len(short)} fall short of level E:")
    for name, level in short.items():
        print(f"[{level}] {name}\n      {reasons.get(name, 'NOT EXPLAINED')}")
    wrong = [f"{name} is not explained in {EXPLAINED.relative_to(ROOT)}" for name in short if name not in reasons]
    for level, goal in GOALS.items():
        below = sum(1 for name, best in short.items() if name in reasons and (best < level or best == "-"))
        within = int(total) - below
        share = 100 * reached[level] / max(within, 1)
        print(f"level {level}: {reached[level]} of {total}, {below} short for a reason; {share:.1f} % of the other {within}")
        if share < goal:
            wrong.append(f"level {level} is reached by {share:.1f} %, want {goal} %")
    return wrong


def main():
    end_on_signals()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="directory with score.py and the recordings")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    arguments = parser.parse_args()
    scorer = arguments.cases / "score.py"
    if not scorer.exists():
        sys.exit(f"no recordings at {arguments.cases}: make conformance CASES=DIR")
    recordings = [arguments.cases / name for name in ("choice.json", "history.json")]
    cluster = Cluster(build(arguments.profile), step_functions=True)
    try:
        cluster.start()
        print(cluster.run(["kubectl", "apply", "--wait", "-f", FUNCTIONS]))
        score = [python_with("boto3", home=target()), scorer, cluster.step_functions, *recordings, "--failures", "10000"]
        report = subprocess.run(score, stdout=subprocess.PIPE, text=True)
        print(report.stdout)
        if report.returncode != 0:
            return report.returncode
        wrong = judge(report.stdout)
        print("\n".join(f"make conformance: {one}" for one in wrong))
        return 1 if wrong else 0
    except (Failure, Lacking) as failure:
        cluster.show_logs()
        sys.exit(f"make conformance: {failure}")
    finally:
        cluster.stop()
        cluster.remove()


if __name__ == "__main__":
    sys.exit(main())
