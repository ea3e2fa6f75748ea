"""Tasks that somebody answers: workers of activities, holders of tokens, people with kubectl."""

import json
import signal
import threading

import pytest
from conftest import one, until


def activity(engine):
    return engine.client.create_activity(name=engine.name())["activityArn"]


def waiting(engine, activity_arn, **more):
    machine = engine.machine(one({"Type": "Task", "Resource": activity_arn, **more}))
    return engine.start(machine, {"question": 1})


def test_a_worker_polls_and_answers(engine):
    arn = activity(engine)
    got = {}
    worker = threading.Thread(target=lambda: got.update(engine.client.get_activity_task(activityArn=arn, workerName="w1")))
    worker.start()
    execution = waiting(engine, arn)
    worker.join(30)
    assert json.loads(got["input"]) == {"question": 1}
    engine.client.send_task_heartbeat(taskToken=got["taskToken"])
    engine.client.send_task_success(taskToken=got["taskToken"], output='{"answer": 42}')
    assert json.loads(engine.end(execution)["output"]) == {"answer": 42}
    assert engine.types(execution)[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    with pytest.raises(engine.client.exceptions.TaskTimedOut):
        engine.client.send_task_success(taskToken=got["taskToken"], output="{}")
    until("the task is gone", lambda: execution.split(":")[-1] not in engine.kubectl("get", "tasks"))


def test_a_worker_may_say_no(engine):
    arn = activity(engine)
    execution = waiting(engine, arn)
    task = engine.client.get_activity_task(activityArn=arn)
    engine.client.send_task_failure(taskToken=task["taskToken"], error="No", cause="because")
    ended = engine.end(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "No", "because")


def test_each_task_goes_to_one_worker(engine):
    arn = activity(engine)
    executions = [waiting(engine, arn) for _ in range(6)]
    tokens, workers = [], []
    for _ in executions:
        workers.append(threading.Thread(target=lambda: tokens.append(engine.client.get_activity_task(activityArn=arn)["taskToken"])))
        workers[-1].start()
    for worker in workers:
        worker.join(30)
    assert len(set(tokens)) == len(executions)
    for token in tokens:
        engine.client.send_task_success(taskToken=token, output="1")
    assert {engine.end(execution)["status"] for execution in executions} == {"SUCCEEDED"}


def test_a_task_without_heartbeats_times_out(engine):
    arn = activity(engine)
    execution = waiting(engine, arn, HeartbeatSeconds=1, TimeoutSeconds=60)
    task = engine.client.get_activity_task(activityArn=arn)
    ended = engine.end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.HeartbeatTimeout")
    with pytest.raises(engine.client.exceptions.TaskTimedOut):
        engine.client.send_task_heartbeat(taskToken=task["taskToken"])


def test_a_function_hands_a_token_out_and_a_person_approves(engine):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "keep-token", "Payload": {"token.$": "$$.Task.Token"}},
    }
    execution = engine.start(engine.machine(one(state)))
    name = execution.split(":")[-1]
    machine = execution.split(":")[-2]
    until("the task", lambda: machine in engine.kubectl("get", "tasks"))
    until("the function has answered", lambda: "TaskSubmitted" in engine.types(execution))
    said = engine.kubectl("task", "approve", f"{machine}-{name}", '{"approved": true}')
    assert said.endswith("approved\n")
    assert json.loads(engine.end(execution)["output"]) == {"approved": True}
    assert engine.types(execution)[2:7] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited"]
    execution = engine.start(engine.machine(one(state)))
    machine, name = execution.split(":")[-2:]
    until("the task", lambda: machine in engine.kubectl("get", "tasks"))
    engine.kubectl("task", "fail", f"{machine}-{name}", "--error", "Rejected", "--cause", "too expensive")
    ended = engine.end(execution)
    assert (ended["error"], ended["cause"]) == ("Rejected", "too expensive")


def test_a_task_outlives_the_master(engine):
    arn = activity(engine)
    execution = waiting(engine, arn)
    task = engine.client.get_activity_task(activityArn=arn)
    engine.cluster.restart("master", signal.SIGKILL)
    engine.client.send_task_success(taskToken=task["taskToken"], output='"still here"')
    assert json.loads(engine.end(execution)["output"]) == "still here"
    assert engine.types(execution).count("ActivityScheduled") == 1


def test_activities_are_listed_described_and_deleted(engine):
    arn = activity(engine)
    assert engine.client.create_activity(name=arn.split(":")[-1])["activityArn"] == arn
    assert engine.client.describe_activity(activityArn=arn)["name"] == arn.split(":")[-1]
    pages = engine.client.get_paginator("list_activities").paginate(PaginationConfig={"PageSize": 1})
    assert arn in {one["activityArn"] for page in pages for one in page["activities"]}
    engine.client.delete_activity(activityArn=arn)
    with pytest.raises(engine.client.exceptions.ActivityDoesNotExist):
        engine.client.describe_activity(activityArn=arn)
    ended = engine.end(waiting(engine, arn))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize("resource", ["double", "arn:aws:lambda:us-east-1:111111111111:function:double"])
def test_a_function_is_named_or_given_by_its_arn(engine, resource):
    assert json.loads(engine.run(one({"Type": "Task", "Resource": resource}), {"n": 4})["output"]) == {"n": 8}


def test_an_invocation_wraps_what_the_function_answers(engine):
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "double", "Payload.$": "$"}}
    output = json.loads(engine.run(one(state), {"n": 4})["output"])
    assert (output["Payload"], output["StatusCode"], output["ExecutedVersion"]) == ({"n": 8}, 200, "$LATEST")


def test_a_nested_execution_may_hold_the_token(engine):
    worker = engine.client.create_activity(name=engine.name())["activityArn"]
    inner = engine.machine(one({"Type": "Task", "Resource": worker}))
    state = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken"}
    execution = engine.start(engine.machine(one({**state, "Parameters": {"StateMachineArn": inner, "Input": {"token.$": "$$.Task.Token"}}})))
    task = engine.client.get_activity_task(activityArn=worker)
    token = json.loads(task["input"])["token"]
    until("the outer run waits", lambda: "TaskSubmitted" in engine.types(execution))
    engine.client.send_task_success(taskToken=token, output='"signed"')
    assert json.loads(engine.end(execution)["output"]) == "signed"
    engine.client.send_task_success(taskToken=task["taskToken"], output="{}")


def test_a_run_that_can_never_be_started_is_an_error_like_others(engine):
    inner = engine.machine(one({"Type": "Pass"}))
    state = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution", "Parameters": {"StateMachineArn": inner, "Name": "a/b"}}
    ended = engine.run(one(state), {})
    assert (ended["status"], ended["error"]) == ("FAILED", "StepFunctions.InvalidNameException"), ended


def test_a_cause_without_end_does_not_keep_a_run_from_ending(engine):
    state = {"Type": "Fail", "QueryLanguage": "JSONata", "Error": "E", "Cause": "{% $pad('x', 2900000) %}"}
    ended = engine.run({"StartAt": "S", "States": {"S": state}}, {})
    assert (ended["status"], ended["error"], len(ended["cause"])) == ("FAILED", "E", 32769)


def test_a_run_calls_an_endpoint_that_is_allowed_and_no_other(engine, echo):
    state = lambda url: one({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": {"ApiEndpoint": url, "Method": "POST", "RequestBody.$": "$"}})
    good = engine.run(state(f"{echo}/200"), {"a": 1})
    bad = engine.run(state(f"{echo}/409"), {"a": 1})
    answer = json.loads(good["output"])
    assert (answer["StatusCode"], answer["ResponseBody"]) == (200, {"a": 1})
    assert (bad["status"], bad["error"]) == ("FAILED", "States.Http.StatusCode.409")
    other = engine.run(state("http://127.0.0.1:1/200"), {"a": 1})
    assert other["status"] == "FAILED" and "http-allow" in other["cause"], other
