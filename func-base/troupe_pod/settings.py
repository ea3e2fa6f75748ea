"""What a pod is told: by its environment, by flags when run by hand, by /_troupe/specialize when it was started generic."""

from __future__ import annotations

PREFIX = "TROUPE_"
STYLES = ("params", "env", "lambda")


class SettingsError(Exception):
    """Says which setting is wrong, what was found and what is wanted."""


def _number(name: str, value, kind, least):
    try:
        number = kind(value)
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= 1e12:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{name}: found {value!r}, wanted {wanted} of at least {least}")
    return number


class Settings:
    """Times are in seconds, sizes in bytes."""

    def __init__(self):
        self.socket = None
        self.listen = None
        self.function_dir = "/function"
        self.packages = None
        self.handler = None
        self.style = None
        self.concurrency = None
        self.timeout = 30.0
        self.max_body = 6 * 1024 * 1024
        self.name = "function"
        self.namespace = "default"
        self.version = "$LATEST"
        self.memory_mb = 128
        self.drain = 25.0
        self.generic = False

    def take(self, name: str, value) -> None:
        """Sets one field from its outside name (without the prefix, in the environment's spelling)."""
        if name in ("CONCURRENCY", "MAX_BODY_BYTES", "MEMORY_MB"):
            field = {"CONCURRENCY": "concurrency", "MAX_BODY_BYTES": "max_body", "MEMORY_MB": "memory_mb"}[name]
            setattr(self, field, _number(PREFIX + name, value, int, 1))
        elif name in ("TIMEOUT_SECONDS", "DRAIN_SECONDS"):
            field = {"TIMEOUT_SECONDS": "timeout", "DRAIN_SECONDS": "drain"}[name]
            setattr(self, field, _number(PREFIX + name, value, float, 0))
        elif name == "STYLE":
            if value not in STYLES:
                raise SettingsError(f"{PREFIX}STYLE: found {value!r}, wanted one of {', '.join(STYLES)}")
            self.style = value
        elif name == "GENERIC":
            self.generic = value not in ("0", "false")
        elif name in TEXTS:
            if not isinstance(value, str):
                raise SettingsError(f"{PREFIX}{name}: found {value!r}, wanted text")
            setattr(self, TEXTS[name], value)

    def read_environment(self, environ) -> None:
        """Reads the TROUPE_ variables and takes them out: user code must not see or depend on them."""
        for key in [key for key in environ if key.startswith(PREFIX)]:
            value = environ.pop(key)
            if value:
                self.take(key[len(PREFIX):], value)

    def read_document(self, document) -> None:
        """Reads the body of /_troupe/specialize."""
        for key, value in document.items():
            if key not in DOCUMENT:
                raise SettingsError(f"unknown field {key!r}, wanted one of {', '.join(DOCUMENT)}, env")
            if value is not None:
                self.take(DOCUMENT[key], value)

    def slots(self, style: str) -> int:
        """Calls at once; AWS Lambda promises its functions that they are alone."""
        return self.concurrency or (1 if style == "lambda" else 8)


TEXTS = {
    "SOCKET": "socket",
    "LISTEN": "listen",
    "FUNCTION_DIR": "function_dir",
    "PACKAGES": "packages",
    "HANDLER": "handler",
    "FUNCTION_NAME": "name",
    "FUNCTION_NAMESPACE": "namespace",
    "FUNCTION_VERSION": "version",
}
DOCUMENT = {
    "functionDir": "FUNCTION_DIR",
    "handler": "HANDLER",
    "style": "STYLE",
    "concurrency": "CONCURRENCY",
    "timeoutSeconds": "TIMEOUT_SECONDS",
    "maxBodyBytes": "MAX_BODY_BYTES",
    "memoryMb": "MEMORY_MB",
    "name": "FUNCTION_NAME",
    "namespace": "FUNCTION_NAMESPACE",
    "version": "FUNCTION_VERSION",
}
