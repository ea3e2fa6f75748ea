"""Who may use the API, and which namespace he works in."""

import base64
import json
import re
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import PASS, ROLE, client_of


def secret(engine, namespace, key, value):
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "troupe.dev/aws-credentials",
        "metadata": {"name": f"key-{key}".lower(), "namespace": namespace},
        "stringData": {"aws_access_key_id": key, "aws_secret_access_key": value},
    }
    file = engine.cluster.home / f"{key}.json"
    file.write_text(json.dumps(manifest))
    engine.kubectl("apply", "-f", file)


@pytest.fixture
def api(engine, tmp_path):
    """The API's own port, and its authority as a file."""
    text = engine.cluster.kubeconfig.read_text()
    authority = tmp_path / "ca.pem"
    authority.write_bytes(base64.b64decode(re.search(r'certificate-authority-data"?: *"?([A-Za-z0-9+/=]+)', text)[1]))
    return f"https://127.0.0.1:{engine.cluster.api}", str(authority)


def test_a_signature_opens_the_apis_port(engine, api):
    url, authority = api
    secret(engine, "default", "AKIDGOOD", "s3cret")
    client = client_of(url, "AKIDGOOD", "s3cret", authority)
    arn = client.create_state_machine(name=engine.name(), definition=json.dumps(PASS), roleArn=ROLE)["stateMachineArn"]
    assert client.describe_state_machine(stateMachineArn=arn)["status"] == "ACTIVE"
    for key, value in (("AKIDGOOD", "wrong"), ("AKIDOTHER", "s3cret")):
        with pytest.raises(ClientError) as refused:
            client_of(url, key, value, authority).list_state_machines()
        assert refused.value.response["Error"]["Code"] in ("InvalidSignatureException", "UnrecognizedClientException")


def test_a_key_works_in_its_own_namespace(engine, api):
    url, authority = api
    engine.kubectl("create", "namespace", "team-a")
    secret(engine, "team-a", "AKIDTEAM", "t")
    client = client_of(url, "AKIDTEAM", "t", authority)
    name = engine.name()
    client.create_state_machine(name=name, definition=json.dumps(PASS), roleArn=ROLE)
    assert name in engine.kubectl("get", "statemachines", "-n", "team-a")
    assert name not in {one["name"] for one in engine.client.list_state_machines()["stateMachines"]}
    chosen = client_of(engine.cluster.step_functions, "team-a").list_state_machines()["stateMachines"]
    assert name in {one["name"] for one in chosen}


def test_strangers_stay_outside(engine, api):
    import ssl

    url, authority = api
    headers = {"X-Amz-Target": "AWSStepFunctions.ListStateMachines", "Content-Type": "application/x-amz-json-1.0"}
    ask = lambda url, more, context=None: urllib.request.urlopen(urllib.request.Request(url, b"{}", headers | more), timeout=10, context=context)
    trusted = ssl.create_default_context(cafile=authority)
    for address, more, context in (
        (url, {}, trusted),
        (url, {"Authorization": "Bearer 0123456789abcdef.x"}, trusted),
        (engine.cluster.step_functions, {"Origin": "https://evil.example"}, None),
        (engine.cluster.step_functions, {"Host": "evil.example"}, None),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(address, more, context)
        assert (refused.value.code, json.load(refused.value)["__type"]) == (400, "AccessDeniedException")


def test_an_unknown_action_and_bad_parameters_are_told(engine):
    for target, body, said in (("Fly", b"{}", "UnknownOperationException"), ("StartExecution", b"[]", "ValidationException"), ("StartExecution", b"{", "ValidationException")):
        request = urllib.request.Request(engine.cluster.step_functions, body, {"X-Amz-Target": f"AWSStepFunctions.{target}"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert json.load(refused.value)["__type"] == said


def test_a_key_that_was_changed_or_deleted_counts_at_once(engine, api):
    url, authority = api
    secret(engine, "default", "AKIDOLD", "first")
    client = lambda value: client_of(url, "AKIDOLD", value, authority)
    client("first").list_state_machines()
    secret(engine, "default", "AKIDOLD", "second")
    client("second").list_state_machines()
    with pytest.raises(ClientError):
        client("first").list_state_machines()
    engine.kubectl("delete", "secret", "key-akidold")
    with pytest.raises(ClientError) as refused:
        client("second").list_state_machines()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"
