"""TestState: one state on its own, by itself, with mocks, and with real calls."""

import json

import pytest
from botocore.exceptions import ClientError

INVOKE = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}


def call(engine, state, value=None, **more):
    text = state if isinstance(state, str) else json.dumps(state)
    return engine.client.test_state(definition=text, input=json.dumps({} if value is None else value), **more)


def seen(answer):
    """The inspection data with its JSON decoded."""
    decode = lambda value: json.loads(value) if isinstance(value, str) else value
    return {name: decode(value) for name, value in answer["inspectionData"].items()}


def test_info_tells_the_outcome_only(engine):
    state = {"Type": "Pass", "Parameters": {"a.$": "$.x"}, "Next": "Other"}
    answer = call(engine, state, {"x": 1})
    assert (answer["status"], json.loads(answer["output"]), answer["nextState"]) == ("SUCCEEDED", {"a": 1}, "Other")
    assert "inspectionData" not in answer


@pytest.mark.parametrize("level", ["DEBUG", "TRACE"])
def test_debug_and_trace_show_the_data_after_each_field(engine, level):
    state = {"Type": "Pass", "InputPath": "$.in", "Parameters": {"a.$": "$.x"}, "ResultPath": "$.out", "OutputPath": "$.out", "End": True}
    answer = call(engine, state, {"in": {"x": 1}}, inspectionLevel=level)
    assert json.loads(answer["output"]) == {"a": 1}
    assert seen(answer) == {
        "input": {"in": {"x": 1}},
        "afterInputPath": {"x": 1},
        "afterParameters": {"a": 1},
        "afterResultSelector": {"a": 1},
        "afterResultPath": {"in": {"x": 1}, "out": {"a": 1}},
    }


def test_a_choice_says_where_it_leads(engine):
    state = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericGreaterThan": 3, "Next": "Many"}], "Default": "Few"}
    assert [call(engine, state, {"n": n})["nextState"] for n in (4, 3)] == ["Many", "Few"]


def test_a_task_calls_its_function_without_a_role(engine):
    answer = call(engine, {"Type": "Task", "Resource": "double", "End": True}, {"n": 4}, inspectionLevel="DEBUG")
    assert (answer["status"], json.loads(answer["output"])) == ("SUCCEEDED", {"n": 8})
    assert seen(answer)["result"] == {"n": 8}
    failed = call(engine, {"Type": "Task", "Resource": "broken", "End": True})
    assert (failed["status"], failed["error"], "no" in failed["cause"]) == ("FAILED", "ValueError", True)
    missing = call(engine, {"Type": "Task", "Resource": "not_there", "End": True})
    assert missing["error"] == "Lambda.ResourceNotFoundException"


def test_a_mock_answers_in_place_of_the_function(engine):
    state = {**INVOKE, "Parameters": {"FunctionName": "not_there", "Payload.$": "$"}, "ResultSelector": {"p.$": "$.Payload"}}
    answer = call(engine, state, mock={"result": json.dumps({"Payload": [1]})}, inspectionLevel="DEBUG")
    assert json.loads(answer["output"]) == {"p": [1]}
    assert seen(answer)["afterResultSelector"] == {"p": [1]}


def test_a_mocked_error_meets_retriers_and_catchers(engine):
    state = {
        **INVOKE,
        "Parameters": {"FunctionName": "f"},
        "Retry": [{"ErrorEquals": ["Slow"], "IntervalSeconds": 3, "MaxAttempts": 2, "BackoffRate": 2}],
        "Catch": [{"ErrorEquals": ["Never"], "Next": "A"}, {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Sorry"}],
    }
    mock = {"errorOutput": {"error": "Slow", "cause": "why"}}
    again = call(engine, state, mock=mock, stateConfiguration={"retrierRetryCount": 1}, inspectionLevel="DEBUG")
    assert (again["status"], again["error"]) == ("RETRIABLE", "Slow")
    assert again["inspectionData"]["errorDetails"] == {"retryIndex": 0, "retryBackoffIntervalSeconds": 6}
    caught = call(engine, state, {"x": 1}, mock=mock, stateConfiguration={"retrierRetryCount": 2}, inspectionLevel="DEBUG")
    assert (caught["status"], caught["nextState"]) == ("CAUGHT_ERROR", "Sorry")
    assert json.loads(caught["output"]) == {"x": 1, "e": {"Error": "Slow", "Cause": "why"}}
    assert caught["inspectionData"]["errorDetails"] == {"catchIndex": 1}


def test_variables_and_the_context_object_are_given(engine):
    state = {
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Assign": {"n": "{% $n + 1 %}"},
        "Output": "{% $states.context.Execution.Name & $n %}",
        "End": True,
    }
    answer = call(engine, state, variables='{"n": 1}', context=json.dumps({"Execution": {"Name": "e"}}), inspectionLevel="DEBUG")
    assert json.loads(answer["output"]) == "e1"
    assert seen(answer)["variables"] == {"n": 2}


def test_a_state_is_found_in_its_machine(engine):
    machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Result": 2, "End": True}}}
    assert call(engine, machine, stateName="B")["output"] == "2"


def test_a_map_takes_items_and_failures_from_its_configuration(engine):
    state = {
        "Type": "Map",
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}, "ReaderConfig": {"InputType": "JSON"}},
        "ItemSelector": {"v.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        "ToleratedFailureCount": 1,
        "End": True,
    }
    more = {"mock": {"result": "[1, 2]"}, "inspectionLevel": "DEBUG"}
    good = call(engine, state, stateConfiguration={"mapItemReaderData": "[7, 8]", "mapIterationFailureCount": 1}, **more)
    assert (good["status"], seen(good)["afterItemSelector"]) == ("SUCCEEDED", [{"v": 7}, {"v": 8}])
    bad = call(engine, state, stateConfiguration={"mapItemReaderData": "[7, 8]", "mapIterationFailureCount": 2}, **more)
    assert (bad["status"], bad["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_trace_shows_the_request_and_the_answer_of_an_http_call(engine, echo):
    url = f"{echo}/orders/200"
    state = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": True, "Parameters": {"ApiEndpoint": url, "Method": "POST", "RequestBody.$": "$"}}
    answer = call(engine, state, {"a": 1}, inspectionLevel="TRACE")
    assert json.loads(answer["output"])["ResponseBody"] == {"a": 1}
    request, response = (answer["inspectionData"][part] for part in ("request", "response"))
    assert (request["method"], request["url"], json.loads(request["body"])) == ("POST", url, {"a": 1})
    assert (response["statusCode"], json.loads(response["body"])) == ("200", {"a": 1})


@pytest.mark.parametrize(
    "state, more, code, said",
    [
        ({"Type": "Pass", "End": True}, {"mock": {"result": "1"}}, "ValidationException", "State type 'Pass' is not supported when a mock is specified"),
        (INVOKE | {"Parameters": {"FunctionName": "f"}}, {"mock": {"result": "1", "errorOutput": {"error": "E"}}}, "ValidationException", "A test mock should have only one of"),
        ({"Type": "Task", "Resource": "double"}, {}, "InvalidDefinition", "Invalid State Machine Definition"),
        ("{", {}, "InvalidDefinition", "Invalid State Machine Definition"),
        ({"Type": "Pass", "End": True}, {"variables": "[1]"}, "ValidationException", "variables"),
        ({"Type": "Pass", "End": True}, {"input": "{"}, "InvalidExecutionInput", "Invalid State Machine Execution Input"),
    ],
)
def test_what_cannot_be_tested_is_refused(engine, state, more, code, said):
    text = state if isinstance(state, str) else json.dumps(state)
    with pytest.raises(ClientError) as refused:
        engine.client.test_state(definition=text, **more)
    assert refused.value.response["Error"]["Code"] == code
    assert said in refused.value.response["Error"]["Message"]
