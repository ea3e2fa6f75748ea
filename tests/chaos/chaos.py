#!/usr/bin/env python3
"""Faults on a cluster of three etcd members, two masters and three agents under load, and a checker of what must hold.

Hosts are network namespaces; one agent's pods are containers of an engine on its host. Programs are killed, paused,
slowed down, cut off (one-way, too), their packets dropped and delayed, hosts lose power, by a plan that follows from the seed. Prints a timeline, what clients saw, and each problem; exits with 1 on one.
"""

import argparse
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]

from cluster import Failure, build, end_on_signals  # noqa: E402
from packages import Lacking  # noqa: E402

import checker  # noqa: E402
import evidence  # noqa: E402
import report  # noqa: E402
from faults import Faults  # noqa: E402
from fleet import Fleet, need_programs  # noqa: E402
from functions import manifests  # noqa: E402
from load import Load  # noqa: E402
from lookout import Lookout  # noqa: E402
from machines import MACHINES  # noqa: E402
from names import AGENTS  # noqa: E402
from plan import SELECTION, plan  # noqa: E402

# With load and without faults: before the first one, and after the last.
CALM_SECONDS = 3
SETTLE_SECONDS = 90
STAGES = {machine.name: machine.stages for machine in MACHINES}


class Trial:
    """One run of a plan on a fleet of its own."""

    def __init__(self, fleet, faults, seed):
        self.fleet = fleet
        self.plan = faults
        self.seed = seed
        self.origin = time.time()
        self.problems = []

    def tell(self, text):
        print(f"{time.time() - self.origin:6.1f} s  {text}", flush=True)

    def run(self):
        fleet = self.fleet
        fleet.start()
        self.tell(f"{len(fleet.members)} programs are up, {fleet.leader()} leads")
        fleet.apply(*manifests(fleet.witness.address))
        self._await_functions()
        load = Load(fleet, self.seed)
        faults = Faults(fleet, self.plan, self.tell)
        lookout = Lookout(fleet, self.tell)
        load.start()
        lookout.start()
        try:
            time.sleep(CALM_SECONDS)
            faults.run()
            self._settle("all nodes are Ready again", fleet.nodes_are_ready)
            time.sleep(CALM_SECONDS)
        finally:
            lookout.end()
            load.end()
        self.tell("the load has ended; what was accepted is followed to its end")
        load.follow_all()
        self._settle("pods are accounted for", self._pods_are_accounted_for)
        self._judge(load, faults, fleet.witness.executions)
        self._clear_away()
        self._show(load, faults)

    def _await_functions(self):
        def built():
            waiting = [one["metadata"]["name"] for one in self.fleet.items("functions") if not self._is_built(one)]
            if waiting:
                raise Failure(f"not built: {waiting}")
            return True

        self.fleet.wait("all functions are built", built)

    @staticmethod
    def _is_built(function):
        return any(one["type"] == "Built" and one["status"] == "True" for one in function.get("status", {}).get("conditions", []))

    def _settle(self, what, look):
        """Waits for what must come by itself; a problem if it does not."""
        began = time.monotonic()
        try:
            self.fleet.wait(what, look, SETTLE_SECONDS)
            self.tell(f"{what} ({time.monotonic() - began:.1f} s)")
        except Failure as failure:
            self.problems.append(str(failure))

    def _pods_are_accounted_for(self):
        problems = checker.pods(*evidence.objects(self.fleet), evidence.directories(self.fleet))
        problems += checker.containers(*evidence.containers(self.fleet))
        if problems:
            raise Failure("; ".join(problems))
        return True

    def _judge(self, load, faults, ran):
        disturbances = faults.disturbances
        self.problems += faults.problems + load.problems
        self.problems += checker.calls(load.calls, disturbances)
        self.problems += checker.asynchronous(load.later, ran)
        self.problems += checker.runs(load.runs)
        self.problems += checker.steps(STAGES, load.runs, ran, disturbances)
        self.problems += checker.hosts(ran, AGENTS)
        self.problems += checker.leaders(self.fleet.writes(), evidence.links(self.fleet))

    def _clear_away(self):
        fleet = self.fleet
        fleet.kubectl("delete", "workflow,statemachine", "--all")
        fleet.kubectl("delete", "function", *(one["metadata"]["name"] for one in fleet.items("functions")))
        self._settle("no pod is left", lambda: evidence.is_empty(fleet))
        self.problems += fleet.stop()
        self.problems += evidence.troubles(fleet)
        self.problems += evidence.leavings(fleet)

    def _show(self, load, faults):
        print("\nwhat clients saw")
        for line in report.calls(load.calls) + report.accepted(load.later + load.runs):
            print(f"  {line}")
        print(f"  functions that came and went: {load.churned}")
        print("after each fault")
        for line in report.gaps([call for call in load.calls if call.what == "quick"], faults.disturbances, self.origin):
            print(f"  {line}")


def trial(programs, faults, seed, keep=False):
    """Runs a plan; the problems."""
    fleet = Fleet(programs, with_engine=True)
    kept = False
    try:
        one = Trial(fleet, faults, seed)
        one.run()
        if one.problems:
            fleet.show_logs()
        kept = keep and bool(one.problems)
        return one.problems
    except BaseException as error:
        kept = keep
        if not isinstance(error, KeyboardInterrupt):
            fleet.show_logs()
        raise
    finally:
        fleet.close(kept)
        if kept:
            print(f"kept, with the logs: {fleet.home}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="how long faults go on")
    parser.add_argument("--seed", type=int, help="the same seed makes the same faults")
    parser.add_argument("--selection", action="store_true", help="one fault of each important kind, in a minute and a half")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="where the programs are, instead of building them")
    parser.add_argument("--keep", action="store_true", help="on a problem leave the cluster's directory, with its logs")
    flags = parser.parse_args()
    seed = random.randrange(1_000_000) if flags.seed is None else flags.seed
    end_on_signals()
    try:
        need_programs()
        programs = flags.programs.absolute() if flags.programs else build(flags.profile)
        faults = SELECTION if flags.selection else plan(seed, flags.seconds)
        print(f"chaos: {len(faults)} faults, seed {seed}", flush=True)
        problems = trial(programs, faults, seed, flags.keep)
    except (Failure, Lacking) as failure:
        sys.exit(f"chaos: {failure}")
    for problem in problems[:40]:
        print(f"PROBLEM {problem}")
    print(f"{len(problems)} problems, seed {seed}" if problems else f"{len(faults)} faults, seed {seed}: all that was accepted ended once and rightly, nothing is left")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
