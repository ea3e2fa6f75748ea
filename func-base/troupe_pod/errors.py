"""Exceptions of user code as documents, their stacks without the server's own frames."""

from __future__ import annotations

import os

from troupe_pod.http_answer import Unserializable

OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
MAX_MESSAGE = 64 * 1024

_places = [("", "")]
"""Where the function's files are, and how that is shown: the machine's own paths are nobody's business."""


def show_beneath(directory: str, shown: str) -> None:
    """From now on stacks name the files in `directory` as if they stood in `shown`."""
    _places[0] = (os.path.join(os.path.abspath(directory), ""), shown.rstrip("/") + "/")


class EntryError(Exception):
    """Why a directory cannot be served. `reason` is one of SyntaxError, NoEntry, AmbiguousEntry, BadHandler."""

    def __init__(self, reason: str, message: str, file: str | None = None, line: int | None = None):
        super().__init__(message)
        self.reason = reason
        self.file = file
        self.line = line


def _is_own(file: str) -> bool:
    return file.startswith((OWN, "<frozen importlib")) or file.endswith(os.path.join("importlib", "__init__.py"))


def _shown(file: str) -> str:
    directory, shown = _places[0]
    return shown + file[len(directory) :] if directory and file.startswith(directory) else file


def error_document(error: BaseException) -> dict:
    """{"errorType", "errorMessage", "stackTrace"}; never raises, whatever the exception's own methods do."""
    import traceback

    try:
        message = str(error)
    except Exception:
        message = "the exception's message cannot be shown"
    try:
        frames = traceback.extract_tb(error.__traceback__)
        # (file, line, name, text): without the marks below the text, which differ between Pythons.
        # Where an import itself fails there is nothing but the importer's own frames.
        theirs = [one for one in frames if not _is_own(one.filename)] or [one for one in frames if not one.filename.startswith(OWN)]
        stack = [(_shown(one.filename), one.lineno, one.name, one.line) for one in theirs]
        stack = traceback.StackSummary.from_list(stack).format()
    except Exception:
        stack = []
    kind = error.reason if isinstance(error, EntryError) else type(error).__name__
    return {"errorType": kind, "errorMessage": message[:MAX_MESSAGE], "stackTrace": stack}


def hidden(error: BaseException) -> dict:
    """The document of an exception whose own methods took too long."""
    return {"errorType": type(error).__name__, "errorMessage": "the exception's message cannot be shown", "stackTrace": []}


def unserializable(error: BaseException) -> dict:
    """The document of a returned value that could not be written: of what its style refused, or its own methods raised."""
    message = str(error) if isinstance(error, Unserializable) else f"the returned value cannot be written: {type(error).__name__}"
    return {"errorType": "Unserializable", "errorMessage": message, "stackTrace": []}


def as_log(document: dict) -> str:
    """What stands in the function's log about an exception."""
    stack = "".join(document["stackTrace"])
    head = f"Traceback (most recent call last):\n{stack}" if stack else ""
    return f"{head}{document['errorType']}: {document['errorMessage']}\n"
