"""The listening socket."""

from __future__ import annotations

import os
import socket
import stat

from troupe_pod.settings import SettingsError

BACKLOG = 1024


def listen(settings):
    if settings.socket:
        return _listen_unix(settings.socket)
    host, colon, port = settings.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"TROUPE_LISTEN: found {settings.listen!r}, wanted HOST:PORT")
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, int(port)))
    except OSError as error:
        raise SettingsError(f"{settings.listen}: cannot listen: {error.strerror or error}") from None
    sock.listen(BACKLOG)
    return sock


def _listen_unix(path: str):
    """Who may connect is decided by the directory; the socket itself is for owner and group."""
    sock = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o117)
    try:
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)  # Left by a server that was killed.
        except FileNotFoundError:
            pass
        sock.bind(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot listen: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    sock.listen(BACKLOG)
    return sock


def name_of(sock) -> str:
    name = sock.getsockname()
    return f"unix:{name}" if sock.family == socket.AF_UNIX else f"http://{name[0]}:{name[1]}"
