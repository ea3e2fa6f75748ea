"""User code that forks: the child must neither hold the server's sockets nor become a second server."""

from __future__ import annotations

import os
import signal

from troupe_pod import logs

in_child = False


def guard(pod) -> None:
    def child() -> None:
        global in_child
        in_child = True
        logs.after_fork()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        pod.forget_sockets()

    os.register_at_fork(after_in_child=child)


def exit_child(failure: BaseException | None) -> None:
    """Ends a child that came back out of user code, as a script would have ended."""
    code = 0
    if isinstance(failure, SystemExit):
        code = failure.code if isinstance(failure.code, int) else 0 if failure.code is None else 1
    elif failure is not None:
        from troupe_pod.errors import as_log, error_document

        logs.stderr.write(as_log(error_document(failure)))
        code = 1
    os._exit(code & 0xFF)
