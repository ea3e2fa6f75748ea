"""The state machines that are measured."""

import json


def chain(length, state):
    """So many states in a row."""
    states = {}
    for number in range(1, length + 1):
        onward = {"End": True} if number == length else {"Next": f"S{number + 1}"}
        states[f"S{number}"] = {**state, **onward}
    return {"StartAt": "S1", "States": states}


PASS = {"Type": "Pass"}
TASK = {"Type": "Task", "Resource": "step"}

# Name: what is run, and how many steps that are.
CHAINS = {
    "pass-1": (chain(1, PASS), 1),
    "pass-10": (chain(10, PASS), 10),
    "pass-100": (chain(100, PASS), 100),
    "task-10": (chain(10, TASK), 10),
}

WAITING = {"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 36_000, "End": True}}}


def inline(items):
    """A Map in the run itself: each item is some events of one history."""
    each = {"StartAt": "One", "States": {"One": {"Type": "Pass", "Output": 1, "End": True}}}
    state = {"Type": "Map", "Items": f"{{% [1..{items}] %}}", "ItemProcessor": each, "Output": "{% $count($states.result) %}", "End": True}
    return {"QueryLanguage": "JSONata", "StartAt": "All", "States": {"All": state}}


def distributed(bucket, key):
    """A Map whose children are runs of their own."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    each = {"ProcessorConfig": config, "StartAt": "One", "States": {"One": {"Type": "Pass", "Result": 1, "End": True}}}
    reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": bucket, "Key": key}}
    state = {"Type": "Map", "ItemReader": reader, "ItemProcessor": each, "ResultPath": None, "End": True}
    return {"StartAt": "All", "States": {"All": state}}


def manifest(name, definition):
    return json.dumps({"apiVersion": "v1", "kind": "StateMachine", "metadata": {"name": name}, "spec": {"definition": definition}})
