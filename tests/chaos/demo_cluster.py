#!/usr/bin/env python3
"""Three etcd members, two masters and three agents, each on a host of its own; then the leading master is killed, and an agent's
whole host, while clients call the functions and workflows of both seeds. Prints what the clients saw; exits with 1 if it was wrong.

Hosts are network namespaces: it takes root (CAP_NET_ADMIN and CAP_SYS_ADMIN), and touches nothing of the machine's own network.
"""

import argparse
import json
import re
import shlex
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]

from cluster import ROOT, Failure, build, end_on_signals  # noqa: E402
from packages import Lacking  # noqa: E402

import checker  # noqa: E402
import evidence  # noqa: E402
import report  # noqa: E402
from client import Client, until_accepted  # noqa: E402
from faults import Faults  # noqa: E402
from fleet import Fleet, need_programs  # noqa: E402
from load import HURRY_SECONDS, look_at  # noqa: E402
from lookout import Lookout  # noqa: E402
from plan import Fault  # noqa: E402
from record import Accepted, Call  # noqa: E402

EXAMPLES = ("seed1/function.yaml", "seed1/workflow.yaml", "seed2/def.yaml", "seed2/state_machine.json")
# What is called over and over, with what, and what must come back.
CALLS = (
    ("/function/func2", {"x": 1, "y": 2}, {"x": 3, "y": -1}),
    ("/function/hjk?param1=a", {"name1": "b"}, {"hjk": "hjk"}),
    ("/workflow/workflow-example", {"x": 1, "y": 2}, {"x": 4, "y": -4}),
    ("/state_machine/test_state_machine1", {"symbol": "TRPE"}, {"report": "bought TRPE at 42"}),
)
LATER = ("/function/func3", {"x": 3, "y": -1}, {"x": 9, "y": 1})
PLAN = (Fault(5, 12, "kill", "leader"), Fault(25, 10, "crash", "agent-1"))
# Runs take as many calls as they have steps, and those may have to start pods.
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.15
PROGRESS_SECONDS = 3
SETTLE_SECONDS = 90
# Calls may fail so long after the leader or an agent is gone.
MOST_GAP_SECONDS = 15


class Clients:
    """Callers on the client's host, until `end`."""

    def __init__(self, fleet, token):
        self.calls = []
        self.accepted = []
        self._fleet = fleet
        self._headers = {"Authorization": f"Bearer {token}"}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=one, daemon=True) for one in CALLS]
        self._threads.append(threading.Thread(target=self._postpone, daemon=True))

    def start(self):
        for thread in self._threads:
            thread.start()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def first_answers(self):
        """Each is asked once: pods are started from nothing."""

        def ask():
            client = Client(self._fleet.gateways)
            for path, body, wanted in CALLS:
                answer = client.ask("POST", path, body, 60.0, **self._headers)
                print(f"\n> POST {path}   {json.dumps(body)}\n{answer.status} {answer.text}", flush=True)
                if answer.status != 200 or answer.document != wanted:
                    problems.append(f"{path}: wanted {wanted}")

        problems = []
        self._fleet.client.within(ask)
        if problems:
            raise Failure("; ".join(problems))

    def _call(self, path, body, wanted):
        self._fleet.client.enter()
        client = Client(self._fleet.gateways)
        while not self._over.wait(PAUSE_SECONDS):
            began, clock = time.time(), time.monotonic()
            answer = client.ask("POST", path, body, PATIENCE_SECONDS, **self._headers)
            right = answer.status == 200 and answer.document == wanted
            self.calls.append(Call(path.split("?")[0], answer.master, began, time.monotonic() - clock, answer.status, right, answer.text[:200]))

    def _postpone(self):
        self._fleet.client.enter()
        client = Client(self._fleet.gateways)
        path, body, wanted = LATER
        while not self._over.wait(PAUSE_SECONDS):
            key = f"demo-{time.monotonic_ns()}"
            answer = until_accepted(client, path, body, self._over, HURRY_SECONDS, **{"Idempotency-Key": key}, **self._headers)
            if answer.status == 202:
                self.accepted.append(Accepted(path, key, wanted, [answer.location]))

    def follow(self):
        """Waits until all that was accepted has ended."""

        def look():
            client = Client(self._fleet.gateways)
            until = time.monotonic() + SETTLE_SECONDS
            while (left := [one for one in self.accepted if not one.looks]) and time.monotonic() < until:
                for one in left:
                    look_at(client, one, **self._headers)
                time.sleep(0.3)

        self._fleet.client.within(look)


class Demo:
    def __init__(self, fleet):
        self.fleet = fleet
        self.origin = time.time()

    def tell(self, text):
        print(f"{time.time() - self.origin:6.1f} s  {text}", flush=True)

    def kubectl(self, line):
        print(f"\n$ kubectl {line}")
        arguments = [str(ROOT / word) if word.startswith("examples/") else word for word in shlex.split(line)]
        print(self.fleet.kubectl(*arguments).rstrip(), flush=True)

    def run(self):
        fleet = self.fleet
        fleet.start()
        self.tell("everything is up, each on a host of its own:")
        leader = fleet.leader()
        for name, member in fleet.members.items():
            print(f"          {name:10} {member.host.address}{'   leads' if name == leader else ''}")
        self.kubectl("apply " + " ".join(f"examples/{name}" for name in EXAMPLES))
        self.kubectl("get nodes")
        clients = Clients(fleet, self._token())
        clients.first_answers()
        print()
        self.tell("clients call both seeds' functions, workflow and state machine, over and over")
        faults = Faults(fleet, PLAN, self.tell)
        over = threading.Event()
        progress = threading.Thread(target=self._progress, args=(clients, over), daemon=True)
        lookout = Lookout(fleet, self.tell)
        clients.start()
        progress.start()
        lookout.start()
        try:
            faults.run()
            fleet.wait("all nodes are Ready again", fleet.nodes_are_ready, SETTLE_SECONDS)
            self.tell("master and agent are back")
            time.sleep(PROGRESS_SECONDS)
        finally:
            lookout.end()
            over.set()
            progress.join()
            clients.end()
        clients.follow()
        problems = self._judge(clients, faults)
        fleet.kubectl("delete", "function,workflow,statemachine", "--all")
        fleet.wait("no pod is left", lambda: evidence.is_empty(fleet), SETTLE_SECONDS)
        problems += fleet.stop() + evidence.troubles(fleet) + evidence.leavings(fleet)
        self._show(clients, faults)
        return problems

    def _token(self):
        """A token of somebody who may call functions, and nothing else."""
        said = self.fleet.on_leader("master", "user", "create", "demo", "--role", "invoker", "--namespace", "default")
        return re.search(r"token: *\"?([^\s\"]+)", said)[1]

    def _progress(self, clients, over):
        calls = errors = 0
        while not over.wait(PROGRESS_SECONDS):
            seen = list(clients.calls)
            wrong = sum(not call.right for call in seen)
            self.tell(f"  {len(seen) - calls:4} calls, {wrong - errors:3} of them failed; {len(clients.accepted)} accepted for later")
            calls, errors = len(seen), wrong

    def _judge(self, clients, faults):
        problems = faults.problems + checker.calls(clients.calls, faults.disturbances)
        for one in clients.accepted:
            if [look[:2] for look in one.looks] != [("Succeeded", one.wanted)]:
                problems.append(f"{one.key}, which was accepted, ended with {one.looks or one.last_state}")
        for fault in faults.disturbances:
            gap = report.gap(clients.calls, fault)[0]
            if gap > MOST_GAP_SECONDS:
                problems.append(f"{fault.what}: nobody was answered for {gap:.1f} s, more than {MOST_GAP_SECONDS}")
        return problems + checker.leaders(self.fleet.writes(), evidence.links(self.fleet))

    def _show(self, clients, faults):
        print("\nwhat the clients saw")
        for line in report.calls(clients.calls) + report.accepted(clients.accepted):
            print(f"  {line}")
        for line in report.gaps(clients.calls, faults.disturbances, self.origin):
            print(f"  {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="where the programs are, instead of building them")
    flags = parser.parse_args()
    end_on_signals()
    fleet = None
    try:
        need_programs()
        fleet = Fleet(flags.programs.absolute() if flags.programs else build(flags.profile))
        problems = Demo(fleet).run()
    except (Failure, Lacking) as failure:
        if fleet and fleet.members:
            fleet.show_logs()
        print(f"\ndemo-cluster: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo-cluster: interrupted, stopping", file=sys.stderr)
        return 130
    finally:
        if fleet:
            fleet.close()
    for problem in problems[:20]:
        print(f"PROBLEM {problem}")
    print("\n" + (f"{len(problems)} problems" if problems else "what was accepted ended rightly, errors only where a host had just been lost; everything is stopped"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
