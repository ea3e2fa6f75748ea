"""Random bytes never end the server, and never make it answer a call that was not made."""

import random

CALL = b'POST /f HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 8\r\nX-Invocation-Id: i\r\nX-Troupe-Deadline-Ms: 900\r\n\r\n{"a": 1}'
CHUNKED = b"PUT /?x=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3;e=1\r\n[1,\r\n2\r\n2]\r\n0\r\nT: t\r\n\r\n"
TOKENS = [b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\r\n\r\n", b"Content-Length", b"chunked", b"-1", b"0", b"f" * 20, b"HTTP/1.1", b"/_troupe/", b"ready", b"?wait=", b"\xff", b"," * 50, b";"]
SEEDS = 12
ROUNDS = 40


def mutate(dice, data):
    data = bytearray(data)
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(5)
        if kind == 0:
            data[at : at + 1] = bytes([dice.randrange(256)])
        elif kind == 1:
            data[at:at] = dice.choice(TOKENS)
        elif kind == 2:
            del data[at : at + dice.randrange(1, 12)]
        elif kind == 3:
            data[at:at] = data[at : at + dice.randrange(1, 60)]
        else:
            data += bytes(data)
    return bytes(data)


def test_random_and_broken_requests(start):
    pod = start({"app.py": "def handler(env):\n    return str((env.uri, env.body, env.headers))\n"}, TROUPE_TIMEOUT_SECONDS="1")
    for seed in range(SEEDS):
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            if dice.randrange(4) == 0:
                data = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 400)))
            else:
                data = mutate(dice, dice.choice((CALL, CHUNKED)))
            answer = pod.raw(data, half_close=True)
            assert not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), (seed, data, answer)
        assert pod.process.poll() is None, f"ended by seed {seed}"
    assert pod.call(body={"a": 1}).status == 200
    assert not [line for line in pod.lines() if line[2].startswith(("connection:", "watcher:"))], pod.log()
    assert (pod.home / "stderr").read_bytes() == b""
