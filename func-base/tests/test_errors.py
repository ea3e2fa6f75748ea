"""User code that fails."""


def test_an_exception(start):
    pod = start({"func.py": "import helper\ndef main(params):\n    helper.go()\n", "helper.py": "def go():\n    raise ValueError('because')\n"})
    answer = pod.call(headers={"X-Invocation-Id": "i7"})
    assert (answer.status, answer.outcome) == (500, "error")
    found = answer.json
    assert (found["errorType"], found["errorMessage"]) == ("ValueError", "because")
    assert len(found["stackTrace"]) == 2
    assert found["stackTrace"][0] == '  File "/function/func.py", line 3, in main\n    helper.go()\n'
    assert "raise ValueError('because')" in found["stackTrace"][1]
    assert ("e", "i7", "ValueError: because") in pod.lines()
    assert pod.call().status == 500


def test_sys_exit_is_an_exception(start):
    pod = start("import sys\ndef main(params):\n    sys.exit(3)\n")
    for _ in range(3):
        answer = pod.call()
        assert (answer.status, answer.json["errorType"]) == (500, "SystemExit")


def test_an_exception_that_cannot_be_shown(start):
    pod = start("class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError\ndef main(params):\n    raise Odd\n")
    assert pod.call().json["errorType"] == "Odd"


def test_endless_recursion(start):
    pod = start("def main(params):\n    return main(params)\n")
    assert pod.call().json["errorType"] == "RecursionError"
    assert pod.call().json["errorType"] == "RecursionError"


def test_a_wrong_signature_at_run_time(start):
    pod = start("def real():\n    return 1\nmain = real\n")
    assert pod.call().json["errorType"] == "TypeError"


def test_os_exit_ends_the_process(start):
    pod = start("import os\ndef main(params):\n    os._exit(9)\n")
    assert pod.raw(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n") == b""
    assert pod.wait() == 9


def test_an_exhausted_body_limit(start):
    pod = start("def main(params):\n    return len(params)\n", TROUPE_MAX_BODY_BYTES="1000")
    answer = pod.call(body=b"x" * 1001)
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")
    assert pod.call(body="x" * 998).json == 998


def test_ten_megabytes_against_the_default_limit(start):
    pod = start("def main(params):\n    return len(params)\n")
    assert pod.call(body=b"x" * (10 * 1024 * 1024)).status == 413
    assert pod.call(body="x" * (5 * 1024 * 1024)).json == 5 * 1024 * 1024
