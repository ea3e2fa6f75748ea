"""`async def` entries."""


def test_async_main(start):
    pod = start("import asyncio\nasync def main(params):\n    await asyncio.sleep(0)\n    return {'got': params}\n")
    connection = pod.connection()
    for number in range(20):
        assert pod.call(body=number, connection=connection).json == {"got": number}


def test_a_wrapped_coroutine(start):
    pod = start(
        """
        import functools
        def wrap(f):
            def inner(*a):
                return f(*a)
            return inner
        @wrap
        async def main(params):
            return 5
        """
    )
    assert pod.call().json == 5


def test_errors(start):
    pod = start("async def main(params):\n    raise {'v': ValueError, 's': SystemExit, 'k': KeyboardInterrupt}[params]('why')\n")
    for key, name in (("v", "ValueError"), ("s", "SystemExit"), ("k", "KeyboardInterrupt"), ("v", "ValueError")):
        answer = pod.call(body=key)
        assert (answer.status, answer.outcome, answer.json["errorType"]) == (500, "error", name)
    assert [frame for frame in answer.json["stackTrace"] if "func.py" in frame] == answer.json["stackTrace"] != []


def test_calls_overlap(start):
    """Each call waits for the other one."""
    pod = start(
        """
        import asyncio
        arrived = []
        async def main(params):
            arrived.append(params)
            while len(arrived) < 2:
                await asyncio.sleep(0.002)
            return sorted(arrived)
        """
    )
    first, second = pod.connection(), pod.connection()
    first.request("POST", "/", b"1")
    second.request("POST", "/", b"2")
    assert first.getresponse().read() == second.getresponse().read() == b"[1,2]"


def test_a_deadline_cancels_the_task(start):
    pod = start(
        """
        import asyncio
        async def main(params):
            if params == "after":
                return seen
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
        seen = []
        """
    )
    answer = pod.call(headers={"X-Troupe-Deadline-Ms": "50", "X-Invocation-Id": "a"})
    assert (answer.status, answer.outcome, answer.json["errorType"]) == (504, "timeout", "Timeout")
    assert pod.ended("a")
    assert pod.call(body="after").json == ["cancelled"]


def test_a_client_that_goes_away_cancels_the_task(start):
    pod = start(
        """
        import asyncio, os
        async def main(params):
            wait_for  # for the harness's mark()
            try:
                mark("started")
                await asyncio.sleep(3600)
            finally:
                mark("cancelled")
        # wait_for(
        """
    )
    connection = pod.connection()
    connection.request("POST", "/", b"1")
    pod.marked("started")
    connection.close()
    pod.marked("cancelled")


def test_prints_are_tagged(start):
    pod = start(
        """
        import asyncio
        async def main(params):
            for part in range(3):
                print(params, part)
                await asyncio.sleep(0)
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        """
    )
    for id in ("one", "two"):
        pod.call(body=id, headers={"X-Invocation-Id": id})
    assert pod.lines() == [("o", id, f"{id} {part}") for id in ("one", "two") for part in range(3)]
