"""Executions: start, look, stop, history."""

import json

import pytest
from conftest import PASS, one, until

WAIT = one({"Type": "Wait", "Seconds": 3600})


def test_an_execution_ends_with_its_output(engine):
    ended = engine.run(one({"Type": "Task", "Resource": "double"}), {"n": 21})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"n": 42})
    assert ended["stopDate"] >= ended["startDate"]


@pytest.mark.parametrize("value", [None, 0, "", [], False])
def test_any_json_is_an_input(engine, value):
    machine = engine.machine(PASS)
    execution = engine.client.start_execution(stateMachineArn=machine, input=json.dumps(value))["executionArn"]
    ended = engine.end(execution)
    assert (json.loads(ended["input"]), json.loads(ended["output"])) == (value, value)


def test_a_name_is_taken_once(engine):
    machine = engine.machine(WAIT)
    first = engine.start(machine, {"a": 1}, name="same")
    assert engine.start(machine, {"a": 1}, name="same") == first
    with pytest.raises(engine.client.exceptions.ExecutionAlreadyExists):
        engine.start(machine, {"a": 2}, name="same")
    engine.client.stop_execution(executionArn=first, error="Enough", cause="of it")
    ended = engine.end(first)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "of it")
    with pytest.raises(engine.client.exceptions.ExecutionAlreadyExists):
        engine.start(machine, {"a": 1}, name="same")


def test_the_same_name_under_another_machine_is_another_execution(engine):
    left, right = engine.machine(PASS), engine.machine(PASS)
    one_arn, other = engine.start(left, 1, name="twin"), engine.start(right, 2, name="twin")
    assert json.loads(engine.end(one_arn)["output"]) == 1
    assert json.loads(engine.end(other)["output"]) == 2


def test_the_history_is_chained_and_comes_in_pages_and_in_reverse(engine):
    machine = engine.machine({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Task", "Resource": "double", "End": True}}})
    execution = engine.start(machine, {"n": 1})
    engine.end(execution)
    wanted = [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert engine.types(execution) == wanted
    pages = engine.client.get_paginator("get_execution_history").paginate(executionArn=execution, PaginationConfig={"PageSize": 2})
    events = [event for page in pages for event in page["events"]]
    assert [event["type"] for event in events] == wanted
    assert [event["id"] for event in events] == list(range(1, 10))
    back = engine.client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    assert back[0]["type"] == "ExecutionSucceeded"
    bare = engine.client.get_execution_history(executionArn=execution, includeExecutionData=False)["events"]
    assert "input" not in bare[0]["executionStartedEventDetails"]


def test_a_failure_has_its_error_and_cause(engine):
    ended = engine.run(one({"Type": "Task", "Resource": "broken"}))
    assert (ended["status"], ended["error"]) == ("FAILED", "ValueError")
    assert json.loads(ended["cause"])["errorMessage"] == "no"


def test_executions_are_listed_by_status(engine):
    machine = engine.machine({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.wait", "BooleanEquals": True, "Next": "W"}], "Default": "P"},
        "W": {"Type": "Wait", "Seconds": 3600, "End": True}, "P": {"Type": "Pass", "End": True}}})
    done = engine.start(machine, {"wait": False})
    going = engine.start(machine, {"wait": True})
    engine.end(done)
    listed = lambda **more: [one["executionArn"] for one in engine.client.list_executions(stateMachineArn=machine, **more)["executions"]]
    assert set(listed()) == {done, going}
    assert listed(statusFilter="RUNNING") == [going]
    assert listed(statusFilter="SUCCEEDED") == [done]
    engine.client.stop_execution(executionArn=going)


def test_bad_starts_are_refused(engine):
    machine, errors = engine.machine(PASS), engine.client.exceptions
    with pytest.raises(errors.InvalidExecutionInput):
        engine.client.start_execution(stateMachineArn=machine, input="{")
    with pytest.raises(errors.InvalidName):
        engine.start(machine, name="a/b")
    with pytest.raises(errors.ExecutionDoesNotExist):
        engine.client.describe_execution(executionArn="arn:aws:states:us-east-1:111111111111:execution:none:none")


def test_an_express_machine_answers_at_once_and_keeps_only_its_outcome(engine):
    machine = engine.machine(one({"Type": "Task", "Resource": "double"}), type="EXPRESS")
    said = engine.client.start_sync_execution(stateMachineArn=machine, input='{"n": 4}')
    assert (said["status"], json.loads(said["output"])) == ("SUCCEEDED", {"n": 8})
    assert ":express:" in said["executionArn"]
    failed = engine.client.start_sync_execution(stateMachineArn=machine, input="{}")
    assert (failed["status"], failed["error"]) == ("FAILED", "KeyError")
    later = engine.client.start_execution(stateMachineArn=machine, input='{"n": 5}')["executionArn"]
    assert json.loads(engine.end(later)["output"]) == {"n": 10}
    standard = engine.machine(PASS)
    with pytest.raises(engine.client.exceptions.StateMachineTypeNotSupported):
        engine.client.start_sync_execution(stateMachineArn=standard)


def test_one_machine_runs_another(engine):
    inner = engine.machine(one({"Type": "Task", "Resource": "double"}))
    call = lambda suffix, **more: one({"Type": "Task", "Resource": f"arn:aws:states:::states:startExecution{suffix}", "Parameters": {"StateMachineArn": inner, "Input": {"n": 3}, **more}})
    waited = engine.run(call(".sync:2"))
    assert json.loads(waited["output"])["Output"] == {"n": 6}
    assert engine.types(waited["executionArn"])[2:7] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited"]
    text = engine.run(call(".sync"))
    assert json.loads(json.loads(text["output"])["Output"]) == {"n": 6}
    started = engine.run(call("", Name="by-name"))
    arn = json.loads(started["output"])["ExecutionArn"]
    assert arn.endswith(":by-name")
    assert json.loads(engine.end(arn)["output"]) == {"n": 6}
    lost = engine.run(one({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {"StateMachineArn": inner + "x"}}))
    assert lost["error"] == "StepFunctions.StateMachineDoesNotExistException"


def test_stopping_a_run_stops_the_one_it_waits_for(engine):
    inner = engine.machine(WAIT)
    outer = engine.machine(one({"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {"StateMachineArn": inner}}))
    execution = engine.start(outer)
    running = lambda: engine.client.list_executions(stateMachineArn=inner, statusFilter="RUNNING")["executions"]
    until("the inner execution", running)
    engine.client.stop_execution(executionArn=execution)
    assert engine.end(execution)["status"] == "ABORTED"
    until("the end of the inner execution", lambda: not running())


GATED = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "double", "Next": "B"}, "B": {"Type": "Task", "Resource": "missing-key", "End": True}}}


def test_a_failed_run_goes_on_from_where_it_failed(engine):
    machine = engine.machine(GATED)
    # B waits for a function that is not there: stopped while it does.
    execution = engine.start(machine, {"n": 2})
    until("B", lambda: "LambdaFunctionScheduled" in engine.types(execution)[6:])
    engine.client.stop_execution(executionArn=execution, cause="enough")
    assert engine.end(execution)["redriveStatus"] == "REDRIVABLE"
    manifest = {"apiVersion": "v1", "kind": "Function", "metadata": {"name": "missing-key"}, "spec": {"source": {"inline": {"func.py": "def main(params):\n    return params['n'] + 1\n"}}}}
    file = engine.cluster.home / "missing.json"
    file.write_text(json.dumps(manifest))
    engine.kubectl("apply", "--wait", "-f", file)
    engine.client.redrive_execution(executionArn=execution)
    ended = until("the end", lambda: (found := engine.client.describe_execution(executionArn=execution))["status"] == "SUCCEEDED" and found)
    assert (json.loads(ended["output"]), ended["redriveCount"]) == (5, 1)
    types = engine.types(execution)
    assert types.count("ExecutionRedriven") == 1
    assert [event for event in types if event == "TaskStateExited"] == ["TaskStateExited"] * 2
    with pytest.raises(engine.client.exceptions.ExecutionNotRedrivable):
        engine.client.redrive_execution(executionArn=execution)


def test_kubectl_stops_and_redrives_a_run(engine):
    machine = engine.machine(WAIT)
    execution = engine.start(machine, name="by-hand")
    run = f"run/{machine.split(':')[-1]}-by-hand"
    engine.kubectl("stop", run, "--cause", "wrong")
    assert engine.end(execution)["cause"] == "wrong"
    assert engine.kubectl("redrive", run).endswith("redriven\n")
    until("it runs again", lambda: engine.client.describe_execution(executionArn=execution)["status"] == "RUNNING")
    engine.kubectl("stop", run)
    assert engine.end(execution)["redriveCount"] == 1


def test_kubectl_runs_again_what_ran_with_the_same_input_or_another(engine):
    machine = engine.machine(one({"Type": "Task", "Resource": "double"}))
    engine.end(engine.start(machine, {"n": 2}, name="first"))
    run = f"run/{machine.split(':')[-1]}-first"
    assert json.loads(engine.kubectl("execute", run)) == {"n": 4}
    assert json.loads(engine.kubectl("execute", run, '{"n": 5}')) == {"n": 10}
    assert len(engine.client.list_executions(stateMachineArn=machine)["executions"]) == 3


def test_definitions_and_runs_are_drawn(engine):
    machine = engine.machine(GATED)
    name = machine.split(":")[-1]
    execution = engine.start(machine, {})
    engine.end(execution)
    for words in (("statemachine", name), ("run", f"{name}-{execution.split(':')[-1]}")):
        picture = engine.kubectl("get", *words, "-o", "svg")
        assert picture.startswith("<svg") and ">A<" in picture and ">B<" in picture

