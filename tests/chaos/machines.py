"""What runs go through: the steps of each kind of run, which of them come before which, and what must come out."""

from dataclasses import dataclass
from typing import Callable

FORMULAS = {"double": "n * 2", "add": "n + 3", "square": "n * n", "sum": "sum(n)"}


@dataclass(frozen=True)
class Machine:
    """A kind of run. Its input has `key` and `n`, and so has its output."""

    name: str
    # Its object's kind, as in the gateway's path, and the spec of that.
    kind: str
    spec: dict
    # Steps that may be under way together; all of one stage are finished before the next begins.
    stages: tuple
    # What `n` comes out, from what `n` went in.
    outcome: Callable

    @property
    def path(self):
        return f"/{self.kind}/{self.name}"

    @property
    def manifest(self):
        kind = {"workflow": "Workflow", "state_machine": "StateMachine"}[self.kind]
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": self.name}, "spec": {**self.spec, "access": "open"}}


def _task(function, **more):
    return {"Type": "Task", "Resource": function, **more}


def _alone(name, state):
    return {"StartAt": name, "States": {name: {**state, "End": True}}}


# One branch waits; then each result becomes an item; a step that fails at first, and one that fails for good.
_BRANCHES = {
    "StartAt": "both",
    "States": {
        "both": {
            "Type": "Parallel",
            "Branches": [
                _alone("double", _task("double")),
                {"StartAt": "pause", "States": {"pause": {"Type": "Wait", "Seconds": 1, "Next": "add"}, "add": _task("add", End=True)}},
            ],
            "Next": "each",
        },
        "each": {
            "Type": "Map",
            "MaxConcurrency": 2,
            "ItemSelector": {
                "key.$": "$$.Map.Item.Value.key",
                "n.$": "$$.Map.Item.Value.n",
                "step.$": "States.Format('square {}', $$.Map.Item.Index)",
            },
            "ItemProcessor": _alone("square", _task("square")),
            "Next": "unsure",
        },
        "unsure": _task(
            "unsure",
            Parameters={"key.$": "$[0].key", "n.$": "$[*].n"},
            Retry=[{"ErrorEquals": ["Transient"], "IntervalSeconds": 1, "MaxAttempts": 9}],
            Next="refuses",
        ),
        "refuses": _task("refuses", Catch=[{"ErrorEquals": ["Final"], "ResultPath": "$.caught", "Next": "end"}], End=True),
        "end": {"Type": "Pass", "Parameters": {"key.$": "$.key", "n.$": "$.n"}, "End": True},
    },
}

# Each item is a run of its own.
_SPREAD = {
    "StartAt": "items",
    "States": {
        "items": {"Type": "Pass", "Parameters": {"key.$": "$.key", "all.$": "States.Array($.n, 1, 2, 3)"}, "Next": "each"},
        "each": {
            "Type": "Map",
            "ItemsPath": "$.all",
            "MaxConcurrency": 2,
            "ItemSelector": {"key.$": "$.key", "n.$": "$$.Map.Item.Value", "step.$": "States.Format('item {}', $$.Map.Item.Index)"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **_alone("square", _task("square"))},
            "Next": "sum",
        },
        "sum": _task("sum", Parameters={"key.$": "$[0].key", "n.$": "$[*].n"}, End=True),
    },
}


def _workflow(*functions):
    nodes = []
    for name, after in zip(functions, (*functions[1:], None)):
        data = {"funcName": name, "funcNamespace": "default", **({"nextNodeName": after} if after else {})}
        nodes.append({"name": name, "type": "func", "funcData": data})
    return {"entryParams": '{"key": "first", "n": 1}', "entryNodeName": functions[0], "workflowNodes": nodes}


MACHINES = (
    Machine("chain", "workflow", _workflow("double", "add", "square"), (("double",), ("add",), ("square",)), lambda n: (n * 2 + 3) ** 2),
    Machine(
        "branches",
        "state_machine",
        {"definition": _BRANCHES},
        (("double", "add"), ("square 0", "square 1"), ("unsure",), ("refuses",)),
        lambda n: (n * 2) ** 2 + (n + 3) ** 2,
    ),
    Machine("spread", "state_machine", {"definition": _SPREAD}, (("item 0", "item 1", "item 2", "item 3"), ("sum",)), lambda n: n * n + 14),
    # Without a journal it begins anew after a master is gone: its steps may run again.
    Machine(
        "brief",
        "state_machine",
        {"type": "EXPRESS", "definition": {"StartAt": "double", "States": {"double": _task("double", Next="add"), "add": _task("add", End=True)}}},
        (),
        lambda n: n * 2 + 3,
    ),
)
