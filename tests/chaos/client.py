"""A client that has a list of masters and takes the next one when the one it used is gone."""

import http.client
import json
import time

from record import BROKEN, HUNG

CONNECT_SECONDS = 1.5


class Answer:
    def __init__(self, master, status, text="", location=None):
        self.master = master
        self.status = status
        self.text = text
        self.location = location

    @property
    def document(self):
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class Client:
    """For one thread, which must be on the host that it speaks from."""

    def __init__(self, gateways):
        self._gateways = gateways
        self._current = 0

    def ask(self, method, path, body=None, patience=5.0, **headers):
        """Sends a request to one master; to another one only if the first took no connection."""
        connection, answer = None, Answer("", BROKEN, "no master takes connections")
        for _ in self._gateways:
            name, address, port = self._gateways[self._current]
            connection = http.client.HTTPConnection(address, port, timeout=CONNECT_SECONDS)
            try:
                connection.connect()
                answer = self._exchange(name, connection, method, path, body, patience, headers)
                break
            except OSError:
                self._turn()
            finally:
                connection.close()
        if answer.status in (BROKEN, HUNG):
            self._turn()
        return answer

    def _turn(self):
        self._current = (self._current + 1) % len(self._gateways)

    @staticmethod
    def _exchange(name, connection, method, path, body, patience, headers):
        document = json.dumps(body).encode() if body is not None else None
        try:
            connection.sock.settimeout(patience)
            connection.request(method, path, document, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return Answer(name, response.status, response.read().decode(errors="replace"), response.headers["Location"])
        except TimeoutError:
            return Answer(name, HUNG, f"nothing within {patience:.0f} s")
        except (OSError, http.client.HTTPException) as error:
            return Answer(name, BROKEN, f"{type(error).__name__}: {error}")


def until_accepted(client, path, body, over, patience=5.0, seconds=120.0, **headers):
    """Asks for a call later until it is accepted; the last answer. Gives up when `over` is set, or in the end."""
    until = time.monotonic() + seconds
    while True:
        answer = client.ask("POST", path, body, patience, Prefer="respond-async", **headers)
        if answer.status == 202 or time.monotonic() > until or over.wait(0.3):
            return answer
