"""Distributed Maps: items from files, children of their own, results in files."""

import json
import signal

import pytest
from conftest import one, until


@pytest.fixture
def bucket(engine):
    name = engine.name()
    directory = engine.cluster.home / "buckets" / name
    directory.mkdir(parents=True)
    return name, directory


def distributed(processor, kind="STANDARD", **more):
    return one({"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}, **processor}, **more})


def reader(bucket, key, **config):
    return {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON", **config}, "Parameters": {"Bucket": bucket, "Key": key}}


# Names of states are unique over the whole machine.
DOUBLE = {"StartAt": "D", "States": {"D": {"Type": "Task", "Resource": "double", "End": True}}}
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_items_of_a_file_each_get_a_child(engine, bucket, kind):
    name, directory = bucket
    (directory / "in.json").write_text(json.dumps([{"n": n} for n in range(12)]))
    machine = engine.machine(distributed(DOUBLE, kind, ItemReader=reader(name, "in.json"), MaxConcurrency=4))
    execution = engine.start(machine)
    ended = engine.end(execution)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [{"n": n * 2} for n in range(12)]
    types = engine.types(execution)
    assert [one for one in types if one.startswith("MapRun")] == ["MapRunStarted", "MapRunSucceeded"]
    assert [one["executionArn"] for one in engine.client.list_executions(stateMachineArn=machine)["executions"]] == [execution]


def test_rows_of_a_csv_file_and_results_in_files(engine, bucket):
    name, directory = bucket
    (directory / "in.csv").write_text("n,who\n1,ann\n2,bob\n3,eve\n")
    writer = {"Resource": "arn:aws:states:::s3:putObject", "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}, "Parameters": {"Bucket": name, "Prefix": "out"}}
    ended = engine.run(distributed(PASS, ItemReader=reader(name, "in.csv", InputType="CSV", CSVHeaderLocation="FIRST_ROW"), ResultWriter=writer))
    assert ended["status"] == "SUCCEEDED", ended
    told = json.loads(ended["output"])["ResultWriterDetails"]
    manifest = json.loads((directory / told["Key"]).read_text())
    written = json.loads((directory / manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]).read_text())
    assert sorted(row["who"] for row in written) == ["ann", "bob", "eve"]


def test_files_are_listed_and_items_come_in_batches(engine, bucket):
    name, directory = bucket
    for n in range(5):
        (directory / f"f{n}").write_text("x")
    listing = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": name, "Prefix": "f"}}
    ended = engine.run(distributed(PASS, ItemReader=listing, ItemBatcher={"MaxItemsPerBatch": 2}, MaxConcurrency=1))
    batches = json.loads(ended["output"])
    assert [[item["Key"] for item in batch["Items"]] for batch in batches] == [["f0", "f1"], ["f2", "f3"], ["f4"]]


def test_a_million_items_come_in_batches(engine, bucket):
    name, directory = bucket
    (directory / "in.jsonl").write_text("".join(f"{n}\n" for n in range(1_000_000)))
    count = {"StartAt": "C", "States": {"C": {"Type": "Pass", "Parameters": {"count.$": "States.ArrayLength($.Items)"}, "OutputPath": "$.count", "End": True}}}
    machine = engine.machine(distributed(count, "EXPRESS", ItemReader=reader(name, "in.jsonl", InputType="JSONL"), ItemBatcher={"MaxItemsPerBatch": 20_000}))
    ended = engine.end(engine.start(machine), patience=300)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == [20_000] * 50


def test_more_items_than_a_map_may_have_fail_it(engine, bucket):
    name, directory = bucket
    (directory / "in.jsonl").write_text("0\n" * 1_000_001)
    ended = engine.run(distributed(PASS, ItemReader=reader(name, "in.jsonl", InputType="JSONL"), ItemBatcher={"MaxItemsPerBatch": 20_000}))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ItemReaderFailed"), ended
    assert "1000000" in ended["cause"].replace(",", "")


def test_items_of_a_configmap(engine):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "items"}, "data": {"in.jsonl": '1\n"two"\n'}}
    file = engine.cluster.home / "configmap.json"
    file.write_text(json.dumps(manifest))
    engine.kubectl("apply", "-f", file)
    source = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"}, "Parameters": {"ConfigMap": "items", "Key": "in.jsonl"}}
    assert json.loads(engine.run(distributed(PASS, ItemReader=source))["output"]) == [1, "two"]


def test_failures_are_tolerated_up_to_a_number(engine, bucket):
    name, directory = bucket
    (directory / "in.json").write_text(json.dumps([{"n": 1}, {}, {"n": 3}]))
    tolerant = engine.run(distributed(DOUBLE, ItemReader=reader(name, "in.json"), ToleratedFailureCount=1))
    assert tolerant["status"] == "SUCCEEDED", tolerant
    strict = engine.run(distributed(DOUBLE, ItemReader=reader(name, "in.json")))
    assert (strict["status"], strict["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


@pytest.mark.parametrize("key, said", [("none.json", "none.json"), ("bad.json", "cannot be read as JSON"), ("../../master/store.redb", "..")])
def test_a_file_that_cannot_be_read_fails_the_map(engine, bucket, key, said):
    name, directory = bucket
    (directory / "bad.json").write_text("[1,")
    ended = engine.run(distributed(PASS, ItemReader=reader(name, key)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert said in ended["cause"]


def test_a_map_goes_on_after_the_master_is_killed(engine, bucket):
    name, directory = bucket
    (directory / "in.json").write_text(json.dumps([{"n": n} for n in range(20)]))
    processor = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "D"}, "D": {"Type": "Task", "Resource": "double", "End": True}}}
    execution = engine.start(engine.machine(distributed(processor, ItemReader=reader(name, "in.json"), MaxConcurrency=5)))
    until("the first children", lambda: "MapRunStarted" in engine.types(execution))
    engine.cluster.restart("master", signal.SIGKILL)
    assert json.loads(engine.end(execution)["output"]) == [{"n": n * 2} for n in range(20)]


def test_stopping_a_map_stops_its_children(engine):
    machine = engine.machine(distributed({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}))
    execution = engine.start(machine, [1, 2, 3])
    going = lambda: [line for line in engine.kubectl("get", "runs").splitlines() if "Running" in line and machine.split(":")[-1] in line]
    until("the children", lambda: len(going()) == 4)
    engine.client.stop_execution(executionArn=execution)
    assert engine.end(execution)["status"] == "ABORTED"
    until("the end of the children", lambda: not going())


def test_map_runs_are_listed_and_described(engine, bucket):
    name, directory = bucket
    (directory / "in.json").write_text("[1, 2]")
    machine = engine.machine(distributed(PASS, ItemReader=reader(name, "in.json"), ToleratedFailureCount=1))
    execution = engine.start(machine)
    engine.end(execution)
    runs = engine.client.list_map_runs(executionArn=execution)["mapRuns"]
    assert [(one["executionArn"], one["stateMachineArn"]) for one in runs] == [(execution, machine)]
    found = engine.client.describe_map_run(mapRunArn=runs[0]["mapRunArn"])
    counts = found["itemCounts"]
    assert (found["status"], found["executionArn"], found["toleratedFailureCount"]) == ("SUCCEEDED", execution, 1)
    assert (counts["total"], counts["succeeded"], counts["pending"], counts["running"]) == (2, 2, 0, 0)
    children = engine.client.list_executions(mapRunArn=runs[0]["mapRunArn"])["executions"]
    assert len(children) == 2
    with pytest.raises(engine.client.exceptions.ResourceNotFound):
        engine.client.describe_map_run(mapRunArn=runs[0]["mapRunArn"] + "0")
