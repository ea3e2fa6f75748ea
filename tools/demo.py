#!/usr/bin/env python3
"""Functions and workflows of both seeds on a fresh cluster, each answer checked.

Starts the real programs on free loopback ports in a temporary directory, prints each command with what it
really answers, stops everything, and exits with 1 as soon as an answer is wrong.
"""

import argparse
import json
import shlex
import sys
import time
import urllib.error
import urllib.request

from cluster import ROOT, Cluster, Failure, build, end_on_signals

EXAMPLES = ROOT / "examples"
# A build may have to fetch requirements; everything else is much quicker.
PATIENCE = 120


class Demo:
    def __init__(self, cluster):
        self.cluster = cluster
        self.steps = 0

    def kubectl(self, line, *wanted):
        """Runs a command line; all of `wanted` must be in what it prints."""
        print(f"\n$ kubectl {line}")
        self._check(self._kubectl(line), wanted)

    def kubectl_until(self, line, *wanted):
        """The same, repeated until the answer is the wanted one."""
        print(f"\n$ kubectl {line}")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._kubectl(line)
            if all(text in answer for text in wanted) or time.monotonic() > until:
                return self._check(answer, wanted)
            time.sleep(0.2)

    def _kubectl(self, line):
        return self.cluster.run(["kubectl", *shlex.split(line)], cwd=ROOT)

    def http(self, method, path, body, wanted, status=200):
        """One request to the gateway; `wanted` is the answer's JSON, or its text."""
        print(f"\n> {method} {self.cluster.gateway}{path}" + (f"   {body}" if body else ""))
        request = urllib.request.Request(self.cluster.gateway + path, body.encode() or None, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read().decode()
        print(f"{answer.status} {text}")
        print(f"Server-Timing: {answer.headers['Server-Timing']}")
        found = json.loads(text) if not isinstance(wanted, str) else text
        if answer.status != status or found != wanted:
            raise Failure(f"wrong answer: wanted {status} {wanted}")
        self.steps += 1

    def _check(self, answer, wanted):
        print(answer.rstrip())
        for text in wanted:
            if text not in answer:
                raise Failure(f"wrong answer: wanted {text} in it")
        self.steps += 1


def seed1(demo):
    demo.kubectl("apply examples/seed1/function.yaml", "func1", "func2", "func3")
    demo.kubectl("""execute default/func2 '{"x": 1, "y": 2}'""", '{"x":3,"y":-1}')
    demo.http("POST", "/function/func3", '{"x": 3, "y": -1}', {"x": 9, "y": 1})
    demo.kubectl("apply examples/seed1/workflow.yaml", "workflow-example")
    demo.kubectl_until("get workflow default/workflow-example", "Succeeded", '{"x":4,"y":-4}')
    demo.kubectl("""execute workflow/default/workflow-example '{"x": 5, "y": 1}'""", '{"x":36,"y":16}')
    demo.http("POST", "/workflow/workflow-example", '{"x": 1, "y": 2}', {"x": 4, "y": -4})


def seed2(demo):
    demo.kubectl("apply examples/seed2/def.yaml examples/seed2/state_machine.json", "hjk", "test_state_machine1")
    demo.http("POST", "/function/hjk?param1=a", '{"name1": "b"}', {"hjk": "hjk"})
    demo.kubectl_until("logs function/hjk", "param1 in url is")
    demo.kubectl("""execute statemachine/test_state_machine1 '{"symbol": "TRPE"}'""", "bought TRPE at 42")
    demo.http("POST", "/state_machine/test_state_machine1", '{"symbol": "ACME"}', {"report": "sold ACME at 87"})


def more(demo):
    demo.kubectl("apply examples/hello/function.yaml examples/lambda/function.yaml", "hello", "lambda-sum")
    demo.kubectl("execute hello --query user=ann", "Hello, ann!")
    demo.http("GET", "/function/hello?user=bob", "", "Hello, bob!")
    demo.kubectl("""execute lambda-sum '{"numbers": [1, 2, 3]}'""", '{"sum": 6}')
    demo.http("POST", "/function/lambda-sum", '{"numbers": [4, 5]}', {"sum": 9})
    demo.kubectl("get functions,workflows,statemachines", "func1", "workflow-example", "test_state_machine1")
    demo.kubectl("get rs,pods,svc", "func2")
    demo.kubectl("delete -f examples/seed1/workflow.yaml -f examples/seed1/function.yaml", "func1", "workflow-example")


def show(cluster):
    demo = Demo(cluster)
    for part in (seed1, seed2, more):
        part(demo)
    return demo.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", choices=("process", "docker"), default="process")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    cluster = None
    began = time.monotonic()
    try:
        programs = build(flags.profile)
        cluster = Cluster(programs, flags.runtime)
        cluster.start()
        print(f"\nmaster and node-agent are up after {time.monotonic() - began:.1f} s, building included; runtime {flags.runtime}")
        steps = show(cluster)
        if not cluster.stop():
            raise Failure("a program did not stop in order")
        print(f"\nall {steps} answers are right; everything is stopped")
    except (Failure, OSError) as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        if cluster:
            cluster.stop()
            cluster.show_logs()
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted, stopping", file=sys.stderr)
        return 130
    finally:
        if cluster:
            cluster.stop()
            cluster.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
