"""What goes wrong: definitions that AWS refuses, whichever way they come, and runs that meet something bad."""

import json
import shutil

import pytest
from botocore.exceptions import ClientError
from conftest import ROLE, one

PASS = {"Type": "Pass", "End": True}
BRANCH = {"StartAt": "S", "States": {"S": PASS}}

# What is wrong, the definition, what the refusal says of it.
REFUSED = {
    "an unknown field": (one({"Type": "Pass", "Resutl": 1}), "Resutl"),
    "an unknown type": (one({"Type": "Strange"}), "Strange"),
    "a dangling Next": ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}}, "Nowhere"),
    "a dangling StartAt": ({"StartAt": "Nowhere", "States": {"A": PASS}}, "Nowhere"),
    "an unreachable state": ({"StartAt": "A", "States": {"A": PASS, "Lonely": PASS}}, "Lonely"),
    "one name twice in the machine": (one({"Type": "Parallel", "Branches": [BRANCH]}), "S"),
    "both Next and End": ({"StartAt": "A", "States": {"A": {**PASS, "Next": "B"}, "B": PASS}}, "End"),
    "neither Next nor End": ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, "Next"),
    "a wrong type of a field": (one({"Type": "Wait", "Seconds": "soon"}), "Seconds"),
    "a path that is none": (one({"Type": "Pass", "InputPath": "$.a["}), "InputPath"),
    "JSONata that does not parse": (one({"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 + %}"}), "Output"),
}


@pytest.fixture(params=list(REFUSED.values()), ids=list(REFUSED))
def refused(request):
    return request.param


def test_the_api_refuses_and_stores_nothing(engine, refused):
    (definition, said), name = refused, engine.name()
    with pytest.raises(engine.client.exceptions.InvalidDefinition) as why:
        engine.client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    assert "Invalid State Machine Definition: '" in str(why.value) and said in str(why.value)
    judged = engine.client.validate_state_machine_definition(definition=json.dumps(definition))
    assert judged["result"] == "FAIL" and any(said in one["message"] + one["location"] for one in judged["diagnostics"])
    assert name not in engine.kubectl("get", "statemachines")


@pytest.mark.parametrize("client", ["ours", "real"])
def test_kubectl_refuses_and_stores_nothing(engine, refused, client):
    (definition, said), name = refused, engine.name()
    file = engine.cluster.home / f"{name}.json"
    manifest = {"apiVersion": "v1", "kind": "StateMachine", "metadata": {"name": name}, "spec": {"definition": definition}}
    file.write_text(json.dumps(manifest))
    program = engine.cluster.programs / "kubectl" if client == "ours" else shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl on PATH")
    for more in ([], ["--dry-run=server"]):
        answer = engine.fails(program, "apply", *more, "-f", file)
        assert said in answer and "spec.definition" in answer
    assert name not in engine.kubectl("get", "statemachines")


def test_an_update_to_something_bad_changes_nothing(engine):
    machine = engine.machine(one({"Type": "Pass"}))
    before = engine.client.describe_state_machine(stateMachineArn=machine)
    with pytest.raises(engine.client.exceptions.InvalidDefinition):
        engine.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(REFUSED["a dangling Next"][0]))
    after = engine.client.describe_state_machine(stateMachineArn=machine)
    assert (after["definition"], after["revisionId"]) == (before["definition"], before["revisionId"])


def test_a_name_twice_in_the_text_is_refused(engine):
    text = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}, "A": {"Type": "Succeed"}}}'
    with pytest.raises(engine.client.exceptions.InvalidDefinition) as why:
        engine.client.create_state_machine(name=engine.name(), definition=text, roleArn=ROLE)
    assert "'A'" in str(why.value) or '"A"' in str(why.value)


def test_a_definition_of_1_mb_is_taken_and_a_larger_one_refused(engine):
    padded = lambda size: json.dumps({**one({"Type": "Pass"}), "Comment": ""}).replace('"Comment": ""', '"Comment": "' + "x" * size + '"')
    machine = engine.machine(padded((1 << 20) - 200))
    assert engine.end(engine.start(machine, 1))["output"] == "1"
    with pytest.raises(ClientError) as why:
        engine.machine(padded(1 << 20))
    assert why.value.response["Error"]["Code"] == "ValidationException"


QUERY = {"Type": "Pass", "QueryLanguage": "JSONata"}

# What happens in the run, the state, its input, the error, and what the cause says.
FAILS = {
    "no choice matches": (
        {"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "P"}]}, "P": PASS}},
        {"n": 2},
        ("States.NoChoiceMatched", "States.Runtime"),
        "",
    ),
    "a path finds nothing": (one({"Type": "Pass", "InputPath": "$.a.b"}), {}, ("States.Runtime",), "$.a.b"),
    "the function is missing": (one({"Type": "Task", "Resource": "not_there"}), {}, ("Lambda.ResourceNotFoundException",), "not_there"),
    "the function raises": (one({"Type": "Task", "Resource": "broken"}), {}, ("ValueError",), "no"),
    "the function times out": (one({"Type": "Task", "Resource": "slow", "TimeoutSeconds": 1}), {}, ("States.Timeout",), ""),
    "the function dies": (one({"Type": "Task", "Resource": "dies"}), {}, ("Lambda.Unknown",), ""),
    "the output is over the limit": (one({"Type": "Task", "Resource": "large"}), {}, ("States.DataLimitExceeded",), "exceeding"),
    "a loop that is never left": (
        {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "B"}], "Default": "A"}, "B": PASS}},
        {},
        ("States.Runtime",),
        "history",
    ),
    "a Map of a million items": (
        {**one({"Type": "Map", "Items": "{% [1..1000000] %}", "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}}), "QueryLanguage": "JSONata"},
        {},
        ("States.Runtime", "States.QueryEvaluationError", "States.DataLimitExceeded"),
        "",
    ),
    "JSONata without end": (one({**QUERY, "Output": "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}"}), {}, ("States.QueryEvaluationError",), "Output"),
    "JSONata that nests deeply": (one({**QUERY, "Output": "{% ($f := function($n) { 1 + $f($n + 1) }; $f(0)) %}"}), {}, ("States.QueryEvaluationError",), "Output"),
    "JSONata that doubles itself": (
        one({**QUERY, "Output": "{% ($f := function($s) { $f($s & $s) }; $f('x')) %}"}),
        {},
        ("States.QueryEvaluationError",),
        "Output",
    ),
}


@pytest.mark.parametrize("definition, value, errors, said", list(FAILS.values()), ids=list(FAILS))
def test_a_run_that_meets_it_fails_with_error_and_cause(engine, definition, value, errors, said):
    ended = engine.run(definition, value)
    assert ended["status"] == "FAILED" and ended["error"] in errors, ended
    assert said in ended.get("cause", "")
