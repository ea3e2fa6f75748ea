"""From the process's start to its being ready, and failing at that."""

import json
import os
import subprocess
import sys

import pytest
from conftest import PACKAGE

MAIN = "def main(params):\n    return 1\n"


def test_ready(start):
    pod = start(MAIN, TROUPE_CONCURRENCY="3")
    found = pod.ready().json
    assert (found["ready"], found["handler"], found["style"], found["concurrency"], found["pid"]) == (True, "func.main", "params", 3, pod.process.pid)
    assert found["coldMs"] >= 0


def test_it_listens_before_it_imports(start):
    pod = start("mark('started')\nwait_for('go')\ndef main(params):\n    return 1\n", wait=False)
    pod.marked("started")
    answer = pod.call("/_troupe/ready?wait=0.01", method="GET")
    assert (answer.status, answer.json) == (503, {"ready": False, "reason": "importing"})
    assert pod.call(headers={"X-Troupe-Deadline-Ms": "10"}).status == 504
    early = pod.connection()
    early.request("POST", "/", b"1")
    pod.mark("go")
    assert early.getresponse().read() == b"1"
    assert pod.ready().status == 200


@pytest.mark.parametrize(
    "text, kind, message",
    [
        ("import nothing_of_that_name\ndef main(p): pass\n", "ModuleNotFoundError", "nothing_of_that_name"),
        ("raise ValueError('no')\ndef main(p): pass\n", "ValueError", "no"),
        ("import sys\nsys.exit(3)\ndef main(p): pass\n", "SystemExit", "3"),
        ("def main(p:\n", "SyntaxError", "func.py line 1"),
        ("x = 1\n", "NoEntry", "func.py"),
        ("main = 5\n", "TypeError", "int"),
    ],
)
def test_an_import_that_fails(start, text, kind, message):
    pod = start(text, wait=False)
    answer = pod.ready()
    assert answer.status == 503 and answer.json["ready"] is False
    assert answer.json["errorType"] == kind and message in answer.json["errorMessage"] and "stackTrace" in answer.json
    call = pod.call()
    assert call.status == 503 and call.json["errorType"] == kind
    assert pod.wait() == 70
    assert kind in pod.log()


def test_a_missing_directory(start):
    pod = start(MAIN, wait=False, TROUPE_FUNCTION_DIR="/nonexistent/function")
    assert "No such file" in pod.ready().json["errorMessage"]


def test_the_environment_of_user_code(start):
    pod = start(
        """
        import os, sys
        def main(params):
            return {"troupe": [k for k in os.environ if k.startswith("TROUPE")], "mine": os.environ.get("MINE"), "argv": len(sys.argv),
                    "cwd": os.getcwd(), "own": [p for p in sys.path if "troupe_pod" in p], "first": sys.path[0]}
        """,
        MINE="yes",
    )
    directory = os.path.realpath(pod.function)
    assert pod.call().json == {"troupe": [], "mine": "yes", "argv": 1, "cwd": directory, "own": [], "first": str(pod.function)}


def test_modules_of_the_user_may_have_the_servers_names(start):
    files = {f"{name}.py": f"NAME = '{name}'\n" for name in ("pod", "logs", "call", "control", "errors", "connection", "settings")}
    files["func.py"] = "import pod, logs, call, control, errors, connection, settings\ndef main(params):\n    return [m.NAME for m in (pod, logs, call, control, errors, connection, settings)]\n"
    assert start(files).call().json == ["pod", "logs", "call", "control", "errors", "connection", "settings"]


def test_requirements(start):
    pod = start(
        {
            "func.py": "import dep, linked\ndef main(params):\n    return [dep.V, linked.V]\n",
            "site-packages/dep.py": "V = 'dep'\n",
            "site-packages/json.py": "raise RuntimeError('hides the standard library')\n",
            "site-packages/extra.pth": "extra\n",
            "site-packages/extra/linked.py": "V = 'linked'\n",
        }
    )
    assert pod.call().json == ["dep", "linked"]


@pytest.mark.parametrize(
    "files, settings, handler, style",
    [
        ({"func.py": "def main(p): return 1"}, {}, "func.main", "params"),
        ({"func.py": "def main(p): return 1\ndef handler(env): return '2'"}, {}, "func.main", "params"),
        ({"a.py": "x = 1", "b.py": "def handler(env): return '1'"}, {}, "b.handler", "env"),
        ({"func.py": "def handler(env): return '1'"}, {}, "func.handler", "env"),
        ({"b.py": "def handler(event, context): return 1"}, {}, "b.handler", "lambda"),
        ({"b.py": "async def handler(event, context=None): return 1"}, {}, "b.handler", "lambda"),
        ({"b.py": "def handler(env): return 1"}, {"TROUPE_STYLE": "params"}, "b.handler", "params"),
        ({"p/q.py": "def go(event, context): return 1", "p/__init__.py": ""}, {"TROUPE_HANDLER": "p.q.go"}, "p.q.go", "lambda"),
        ({"a.py": "def go(params): return 1"}, {"TROUPE_HANDLER": "a.go"}, "a.go", "params"),
        ({"a.py": "def go(env): return '1'"}, {"TROUPE_HANDLER": "a.go"}, "a.go", "env"),
        ({"a.py": "go = lambda *a: 1"}, {"TROUPE_HANDLER": "a.go", "TROUPE_STYLE": "lambda"}, "a.go", "lambda"),
    ],
)
def test_the_entry_is_found(start, files, settings, handler, style):
    pod = start(files, **settings)
    found = pod.ready().json
    assert (found["handler"], found["style"]) == (handler, style)
    assert pod.call().body == b"1"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"TROUPE_CONCURRENCY": "0"}, "TROUPE_CONCURRENCY"),
        ({"TROUPE_CONCURRENCY": "many"}, "'many'"),
        ({"TROUPE_TIMEOUT_SECONDS": "nan"}, "TROUPE_TIMEOUT_SECONDS"),
        ({"TROUPE_STYLE": "flask"}, "params, env, lambda"),
        ({"TROUPE_SOCKET": "/nonexistent/dir/s"}, "/nonexistent/dir/s"),
        ({"TROUPE_SOCKET": "", "TROUPE_LISTEN": "nowhere"}, "HOST:PORT"),
        ({}, "nothing to listen on"),
    ],
)
def test_bad_settings(tmp_path, settings, message):
    if settings and not any(name in settings for name in ("TROUPE_SOCKET", "TROUPE_LISTEN")):
        settings = dict(settings, TROUPE_SOCKET=str(tmp_path / "s"))
    done = subprocess.run([sys.executable, "-I", str(PACKAGE)], env=settings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and message in done.stderr and "Traceback" not in done.stderr


def test_help():
    done = subprocess.run([sys.executable, "-I", str(PACKAGE), "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for word in ("--socket", "--listen", "--function", "--check", "TROUPE_SOCKET"):
        assert word in done.stdout


def test_a_socket_left_behind_is_taken_over(start, tmp_path):
    first = start(MAIN)
    first.process.kill()
    first.process.wait()
    assert os.path.exists(first.socket)
    second = start(MAIN, TROUPE_SOCKET=first.socket)
    assert second.call().json == 1
    assert os.stat(first.socket).st_mode & 0o777 == 0o660


def test_a_file_in_the_place_of_the_socket_is_not_removed(tmp_path):
    (tmp_path / "s").write_text("precious")
    done = subprocess.run([sys.executable, "-I", str(PACKAGE), "--socket", str(tmp_path / "s")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and (tmp_path / "s").read_text() == "precious"


def specialize(pod, **document):
    return pod.call("/_troupe/specialize", document)


def test_a_generic_pod_is_given_its_function(start, tmp_path):
    (tmp_path / "app.py").write_text("import os\nV = os.environ['MINE']\ndef handler(event, context):\n    return [V, context.function_name, 'TROUPE_X' in os.environ]\n")
    pod = start({}, wait=False, TROUPE_GENERIC="1")
    while pod.call("/_troupe/ready?wait=0", method="GET").json != {"ready": False, "reason": "waiting"}:
        assert pod.call("/_troupe/ready?wait=0", method="GET").json["reason"] in ("starting", "waiting")
    answer = specialize(pod, functionDir=str(tmp_path), handler="app.handler", style="lambda", concurrency=2, timeoutSeconds=3, env={"MINE": "m"}, name="warm")
    assert answer.status == 202
    found = pod.ready().json
    assert (found["handler"], found["style"], found["concurrency"]) == ("app.handler", "lambda", 2)
    assert pod.call().json == ["m", "warm", False]
    assert specialize(pod, functionDir=str(tmp_path)).status == 409


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b'{"what": 1}', b'{"style": "flask"}', b'{"env": {"A": 1}}', b'{"concurrency": "x"}', b'{"functionDir": 5}', b'{"env": {"A=B": "x"}}'])
def test_a_bad_specialize_changes_nothing(start, tmp_path, body):
    (tmp_path / "func.py").write_text(MAIN)
    pod = start({}, wait=False, TROUPE_GENERIC="1")
    answer = pod.call("/_troupe/specialize", body)
    assert (answer.status, answer.json["kind"]) == (400, "Status")
    assert specialize(pod, functionDir=str(tmp_path)).status == 202
    assert pod.ready().status == 200 and pod.call().json == 1


def test_a_generic_pod_takes_the_environment_of_a_plain_start(start, tmp_path):
    (tmp_path / "app.py").write_text("import os, time\ndef handler(event, context):\n    return [sorted(k for k in os.environ if k.startswith('TROUPE')), time.tzname[0], context.function_name]\n")
    pod = start({}, wait=False, TROUPE_GENERIC="1")
    env = {"TROUPE_FUNCTION_DIR": str(tmp_path), "TROUPE_HANDLER": "app.handler", "TROUPE_STYLE": "lambda", "TROUPE_CONCURRENCY": "3", "TROUPE_FUNCTION_NAME": "warm", "TZ": "XYZ-3"}
    assert specialize(pod, env=env).status == 202
    assert pod.ready().json["concurrency"] == 3
    assert pod.call().json == [[], "XYZ", "warm"]


@pytest.mark.parametrize(
    ("code", "seconds", "status", "says"),
    [
        ("import time\ntime.sleep(0.2)\n", 30, 200, {"ready": True}),
        ("import time\ntime.sleep(5)\n", 0.05, 503, {"ready": False, "reason": "importing"}),
        ("import no_such_module\n", 30, 503, {"ready": False, "errorType": "ModuleNotFoundError"}),
    ],
)
def test_who_specializes_may_wait_for_the_import(start, tmp_path, code, seconds, status, says):
    (tmp_path / "func.py").write_text(code + MAIN)
    pod = start({}, wait=False, TROUPE_GENERIC="1")
    answer = pod.call(f"/_troupe/specialize?wait={seconds}", {"functionDir": str(tmp_path)})
    assert answer.status == status and says.items() <= answer.json.items()


def test_specialize_is_not_for_others(start):
    pod = start(MAIN)
    assert specialize(pod, functionDir="/").status == 409
    assert pod.call("/_troupe/specialize", method="GET").status == 405


def check(directory, *flags):
    done = subprocess.run([sys.executable, "-I", str(PACKAGE), "--check", str(directory), *flags], capture_output=True, text=True, timeout=60)
    assert done.stdout.count("\n") == 1 and done.stderr == ""
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


def lay(directory, files):
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return directory


def test_check_imports_nothing(tmp_path):
    lay(tmp_path, {"func.py": "import not_there\nraise SystemExit\ndef main(params): pass\n", "lib/util.py": "1/0", "site-packages/broken.py": "def", ".hidden/x.py": "def"})
    assert check(tmp_path) == {"ok": True, "handler": "func.main", "style": "params", "modules": ["func", "lib.util"], "imports": ["not_there"]}


def test_check_tells_what_is_imported_from_elsewhere(tmp_path):
    code = "import json, lib.util\nfrom . import x\nfrom PIL.Image import open\ndef main(params):\n    import numpy as np\n"
    lay(tmp_path, {"func.py": code, "lib/util.py": "import func"})
    assert check(tmp_path)["imports"] == ["PIL", "json", "numpy"]


@pytest.mark.parametrize(
    "files, flags, reason, message",
    [
        ({"func.py": "def main(params):\n  x = (\n"}, (), "SyntaxError", "func.py line 2"),
        ({"func.py": MAIN, "lib/util.py": "\n\nreturn 5\n"}, (), "SyntaxError", "lib/util.py line 3"),
        ({"func.py": b"x = '\xff'\n"}, (), "SyntaxError", "func.py"),
        ({"func.py": b"x = 1\0\n"}, (), "SyntaxError", "func.py"),
        ({"func.py": "(" * 10000}, (), "SyntaxError", "func.py"),
        ({}, (), "NoEntry", "no file"),
        ({"readme.md": "x"}, (), "NoEntry", "no .py file (readme.md)"),
        ({"func.py": "x = 1", "b.py": "def run(): pass"}, (), "NoEntry", "found b.py, func.py; wanted func.py with main(params)"),
        ({"func.py": "class C:\n    def main(self): pass\n"}, (), "NoEntry", "func.py"),
        ({"a.py": "def handler(env): pass", "b.py": "\ndef handler(env): pass"}, (), "AmbiguousEntry", "a.py line 1, b.py line 2"),
        ({"func.py": "def main(): pass"}, (), "BadHandler", "found main(), wanted main(params)"),
        ({"func.py": "def main(a, b): pass"}, (), "BadHandler", "found main(a, b)"),
        ({"a.py": "def handler(a, b, c): pass"}, (), "BadHandler", "wanted handler(event, context)"),
        ({"func.py": MAIN}, ("--handler", "func.other"), "BadHandler", "func.py has no other"),
        ({"func.py": MAIN}, ("--handler", "nope.main"), "BadHandler", "no nope.py; found func.py"),
        ({"func.py": MAIN}, ("--handler", "main"), "BadHandler", "wanted module.function"),
        ({"func.py": MAIN}, ("--handler", "../etc.main"), "BadHandler", "wanted module.function"),
        ({"func.py": MAIN}, ("--style", "lambda"), "BadHandler", "wanted main(event, context) for style lambda"),
    ],
)
def test_check_refuses(tmp_path, files, flags, reason, message):
    found = check(lay(tmp_path, files), *flags)
    assert (found["ok"], found["reason"]) == (False, reason)
    assert message in found["message"]
    if reason == "SyntaxError":
        assert found["file"] and (found["line"] is None or found["line"] > 0)


def test_check_of_a_missing_directory(tmp_path):
    assert check(tmp_path / "nope")["reason"] == "NoEntry"
