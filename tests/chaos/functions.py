"""What is called while faults go on. Functions write a line when they run, so that it is known what ran, when and where."""

import json

from record import Execution

# A run goes through these, one after the other.
STEPS = ("double", "add", "square")
FORMULAS = {"double": "n * 2", "add": "n + 3", "square": "n * n"}
STEP_SECONDS = 0.3
# Calls wait for a pod so long at most, and then take so long at most: no longer than it takes to notice a node that
# vanished, whose calls are lost all the same and not late.
HOLD_SECONDS = 20
TIMEOUT_SECONDS = 5

LINE = """import json, os, time

def note(step, key):
    line = json.dumps([time.time(), key, step, os.readlink("/proc/self/ns/net")]) + "\\n"
    file = os.open({journal!r}, os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)

def main(params):
"""


def outcome_of_run(n):
    for step in STEPS:
        n = eval(FORMULAS[step], {"n": n})
    return n


def sources(journal):
    """The functions' code by their names."""
    noting = LINE.format(journal=str(journal))
    found = {
        "quick": "def main(params):\n    return params['n'] + 1\n",
        "slow": "import time\ndef main(params):\n    time.sleep(1)\n    return params['n'] + 1\n",
        "later": f"{noting}    note('later', params['key'])\n    time.sleep(0.2)\n    return params['n'] + 1\n",
        "fails": f"{noting}    note('fails', params['key'])\n    raise ValueError(params['n'])\n",
    }
    for step, formula in FORMULAS.items():
        body = f"    n = params['n']\n    note({step!r}, params['key'])\n    time.sleep({STEP_SECONDS})\n"
        found[step] = f"{noting}{body}    return {{'key': params['key'], 'n': {formula}}}\n"
    return found


def function(name, code, replicas=0):
    """A Function with its code in it."""
    scaling = {"minReplicas": replicas, "maxReplicas": 3, "windowSeconds": 20}
    retry = {"attempts": 2} if name == "fails" else {"attempts": 20, "backoffSeconds": 1, "maxBackoffSeconds": 5}
    spec = {"source": {"inline": {"func.py": code}}, "access": "open", "timeoutSeconds": TIMEOUT_SECONDS, "concurrency": 4, "scaling": scaling, "retry": retry}
    return {"apiVersion": "v1", "kind": "Function", "metadata": {"name": name}, "spec": spec}


def manifests(journal):
    """All there is to apply, as documents."""
    found = [function(name, code, replicas=2 if name in ("quick", "slow") else 0) for name, code in sources(journal).items()]
    nodes = []
    for step, after in zip(STEPS, (*STEPS[1:], None)):
        data = {"funcName": step, "funcNamespace": "default", **({"nextNodeName": after} if after else {})}
        nodes.append({"name": step, "type": "func", "funcData": data})
    entry = json.dumps({"key": "first", "n": 1})
    spec = {"entryParams": entry, "entryNodeName": STEPS[0], "workflowNodes": nodes, "access": "open"}
    return [*found, {"apiVersion": "v1", "kind": "Workflow", "metadata": {"name": "chain"}, "spec": spec}]


def executions(journal, hosts):
    """The lines that functions wrote; `hosts` names a host by its network namespace."""
    found = []
    for line in journal.read_text().splitlines():
        at, key, step, namespace = json.loads(line)
        found.append(Execution(at, key, step, hosts.get(namespace, namespace)))
    return found
