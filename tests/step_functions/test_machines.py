"""State machines as AWS's SDK makes, changes and lists them."""

import json

import pytest
from conftest import PASS, ROLE, one


def test_a_machine_is_created_once_and_described_as_it_was_sent(engine):
    client, name = engine.client, engine.name()
    text = json.dumps(PASS, indent=3)
    first = client.create_state_machine(name=name, definition=text, roleArn=ROLE)
    again = client.create_state_machine(name=name, definition=text, roleArn=ROLE)
    assert first["stateMachineArn"] == again["stateMachineArn"]
    assert first["creationDate"] == again["creationDate"]
    found = client.describe_state_machine(stateMachineArn=first["stateMachineArn"])
    assert (found["definition"], found["roleArn"], found["type"], found["status"]) == (text, ROLE, "STANDARD", "ACTIVE")
    with pytest.raises(client.exceptions.StateMachineAlreadyExists):
        client.create_state_machine(name=name, definition=json.dumps(one({"Type": "Succeed"}) | {"Comment": "x"}).replace('"End": true, ', ""), roleArn=ROLE)
    assert name in engine.kubectl("get", "statemachines")


def test_a_machine_made_with_kubectl_runs_through_the_api(engine):
    name = engine.name()
    manifest = {"apiVersion": "v1", "kind": "StateMachine", "metadata": {"name": name}, "spec": {"definition": PASS}}
    file = engine.cluster.home / f"{name}.json"
    file.write_text(json.dumps(manifest))
    engine.kubectl("apply", "-f", file)
    execution = engine.start(f"arn:aws:states:us-east-1:111111111111:stateMachine:{name}", {"a": 1})
    assert json.loads(engine.end(execution)["output"]) == {"a": 1}


@pytest.mark.parametrize(
    "definition, said",
    [
        ("not json", "INVALID_JSON_DESCRIPTION"),
        ({"StartAt": "A", "States": {"B": {"Type": "Succeed"}}}, "MISSING_TRANSITION_TARGET"),
        (one({"Type": "Pass", "Next": "S"}), "SCHEMA_VALIDATION_FAILED"),
        (one({"Type": "Strange"}), "SCHEMA_VALIDATION_FAILED"),
        (one({"Type": "Pass", "Resutl": 1}), "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_what_aws_refuses_is_refused_and_nothing_is_stored(engine, definition, said):
    client, name = engine.client, engine.name()
    text = definition if isinstance(definition, str) else json.dumps(definition)
    with pytest.raises(client.exceptions.InvalidDefinition) as refused:
        client.create_state_machine(name=name, definition=text, roleArn=ROLE)
    assert said in str(refused.value)
    assert name not in engine.kubectl("get", "statemachines")
    judged = client.validate_state_machine_definition(definition=text)
    assert judged["result"] == "FAIL" and said in {one["code"] for one in judged["diagnostics"]}


def test_a_good_definition_is_valid(engine):
    judged = engine.client.validate_state_machine_definition(definition=json.dumps(PASS))
    assert (judged["result"], judged["diagnostics"]) == ("OK", [])


def test_a_loop_without_a_way_out_is_taken_with_a_warning(engine):
    endless = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Wait", "Seconds": 60, "Next": "A"}}}
    judged = engine.client.validate_state_machine_definition(definition=json.dumps(endless))
    assert judged["result"] == "OK"
    assert [(one["severity"], one["code"]) for one in judged["diagnostics"]] == [("WARNING", "LOOP_WITHOUT_EXIT")]
    made = engine.client.create_state_machine(name=engine.name(), definition=json.dumps(endless), roleArn=ROLE)
    engine.client.delete_state_machine(stateMachineArn=made["stateMachineArn"])


def test_names_and_arns_are_checked(engine):
    client = engine.client
    with pytest.raises(client.exceptions.InvalidName):
        client.create_state_machine(name="a b", definition=json.dumps(PASS), roleArn=ROLE)
    with pytest.raises(client.exceptions.InvalidArn):
        client.describe_state_machine(stateMachineArn="nonsense")
    with pytest.raises(client.exceptions.StateMachineDoesNotExist):
        client.describe_state_machine(stateMachineArn="arn:aws:states:us-east-1:111111111111:stateMachine:none")


def test_lists_come_in_pages(engine):
    made = {engine.machine(PASS) for _ in range(5)}
    pages = engine.client.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 2})
    listed = [machine["stateMachineArn"] for page in pages for machine in page["stateMachines"]]
    assert made <= set(listed) and len(listed) == len(set(listed))
    with pytest.raises(engine.client.exceptions.InvalidToken):
        engine.client.list_state_machines(nextToken="made up")


def test_an_execution_keeps_the_definition_it_began_with(engine):
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    machine = engine.machine(waiting)
    execution = engine.start(machine)
    engine.client.update_state_machine(stateMachineArn=machine, definition=json.dumps(PASS))
    assert json.loads(engine.client.describe_state_machine(stateMachineArn=machine)["definition"]) == PASS
    kept = engine.client.describe_state_machine_for_execution(executionArn=execution)
    assert json.loads(kept["definition"]) == waiting
    engine.client.stop_execution(executionArn=execution)
    with pytest.raises(engine.client.exceptions.MissingRequiredParameter):
        engine.client.update_state_machine(stateMachineArn=machine)


def test_deleting_is_final_and_harmless_twice(engine):
    machine = engine.machine(PASS)
    for _ in range(2):
        engine.client.delete_state_machine(stateMachineArn=machine)
    with pytest.raises(engine.client.exceptions.StateMachineDoesNotExist):
        engine.start(machine)


def test_machines_and_activities_have_tags(engine):
    client, name = engine.client, engine.name()
    tags = [{"key": "team name", "value": "ä/1"}, {"key": "b", "value": ""}]
    machine = client.create_state_machine(name=name, definition=json.dumps(PASS), roleArn=ROLE, tags=tags)["stateMachineArn"]
    activity = client.create_activity(name=name)["activityArn"]
    read = lambda arn: {one["key"]: one["value"] for one in client.list_tags_for_resource(resourceArn=arn)["tags"]}
    assert (read(machine), read(activity)) == ({"team name": "ä/1", "b": ""}, {})
    client.tag_resource(resourceArn=activity, tags=[{"key": "k", "value": "v"}])
    client.untag_resource(resourceArn=machine, tagKeys=["b", "none"])
    assert (read(machine), read(activity)) == ({"team name": "ä/1"}, {"k": "v"})
    with pytest.raises(client.exceptions.TooManyTags):
        client.tag_resource(resourceArn=machine, tags=[{"key": f"k{n}", "value": ""} for n in range(51)])
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.list_tags_for_resource(resourceArn=machine + "x")
