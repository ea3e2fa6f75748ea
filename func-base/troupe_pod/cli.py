"""Flags. A pod is started without any, so argparse is not imported on that path."""

from __future__ import annotations

import os
import sys

from troupe_pod.settings import STYLES, Settings, SettingsError

EXIT_USAGE = 64


def _parser():
    import argparse

    parser = argparse.ArgumentParser(
        prog="troupe_pod",
        description="Serves one Python function over HTTP/1.1.",
        epilog="Every flag has an environment variable (TROUPE_SOCKET, TROUPE_LISTEN, TROUPE_FUNCTION_DIR, "
        "TROUPE_HANDLER, TROUPE_STYLE, TROUPE_CONCURRENCY, TROUPE_TIMEOUT_SECONDS); a flag wins.",
    )
    parser.add_argument("--socket", metavar="PATH", help="Unix socket to listen on")
    parser.add_argument("--listen", metavar="HOST:PORT", help="TCP address to listen on (port 0: any free one)")
    parser.add_argument("--function", metavar="DIR", help="directory with the user's files (default /function)")
    parser.add_argument("--handler", metavar="MODULE.FUNCTION", help="the entry; found by itself when not given")
    parser.add_argument("--style", choices=STYLES, help="how the entry is called; found by itself when not given")
    parser.add_argument("--concurrency", metavar="N", help="calls at once (default 8; lambda style 1)")
    parser.add_argument("--timeout", metavar="SECONDS", help="upper bound for one call (default 30)")
    parser.add_argument("--check", metavar="DIR", help="only look: find the entry and parse all files without importing any; prints one JSON line")
    return parser


def main(arguments) -> None:
    settings = Settings()
    try:
        settings.read_environment(os.environ)
        if arguments:
            flags = _parser().parse_args(arguments)
            if flags.check is not None:
                from troupe_pod.check import check

                sys.exit(check(flags.check, flags.handler or settings.handler, flags.style or settings.style))
            for flag, name in (
                ("socket", "SOCKET"),
                ("listen", "LISTEN"),
                ("function", "FUNCTION_DIR"),
                ("handler", "HANDLER"),
                ("style", "STYLE"),
                ("concurrency", "CONCURRENCY"),
                ("timeout", "TIMEOUT_SECONDS"),
            ):
                value = getattr(flags, flag)
                if value is not None:
                    settings.take(name, value)
        if not settings.socket and not settings.listen:
            raise SettingsError("nothing to listen on: wanted TROUPE_SOCKET or --socket PATH, or TROUPE_LISTEN or --listen HOST:PORT")
    except SettingsError as error:
        sys.stderr.write(f"troupe_pod: {error}\n")
        sys.exit(EXIT_USAGE)

    from troupe_pod.pod import Pod

    Pod(settings).run()
