"""The ten functions of the soak: each strains the platform in its own way, and each answer can be checked."""

from dataclasses import dataclass

COMMON = "concurrency: 4\nscaling: { windowSeconds: 4, maxReplicas: 3 }"


@dataclass(frozen=True)
class Function:
    name: str
    code: str
    spec: str = COMMON
    # What is asked and what must come back, from a number.
    body: str = '{{"n": {n}}}'
    wanted: str = "{n}"
    status: int = 200
    asynchronous: bool = False

    def write(self, home):
        """Its code and its manifest in a directory; the manifest's path."""
        code = home / self.name
        code.mkdir()
        (code / "func.py").write_text(self.code)
        spec = "\n".join("  " + line for line in self.spec.splitlines())
        manifest = home / f"{self.name}.yaml"
        manifest.write_text(f"apiVersion: v1\nkind: Function\nmetadata:\n  name: {self.name}\nspec:\n  userUploadFilePath: ./{self.name}\n{spec}\n")
        return manifest


ECHO = "def main(params):\n    return params['n']\n"

FUNCTIONS = (
    Function("quick", ECHO),
    Function("sleeps", f"import time\n{ECHO.replace('return', 'time.sleep(0.3); return')}"),
    Function("computes", ECHO.replace("return", "sum(range(200_000)); return")),
    Function("imports", f"import time\ntime.sleep(0.5)\n{ECHO}"),
    Function("one-at-a-time", f"import time\n{ECHO.replace('return', 'time.sleep(0.05); return')}", "concurrency: 1\nscaling: { windowSeconds: 4, maxReplicas: 3 }"),
    Function("by-concurrency", f"import time\n{ECHO.replace('return', 'time.sleep(0.1); return')}", "concurrency: 2\nscaling: { windowSeconds: 4, maxReplicas: 3, policy: concurrency }"),
    Function("raises", "def main(params):\n    raise ValueError(params['n'])\n", wanted="ValueError", status=500),
    Function("large", "def main(params):\n    return str(params['n']) * 50_000\n", wanted="{n}" * 50_000),
    Function("no-network", ECHO, f"{COMMON}\nnetwork: none"),
    Function("later", f"import time\n{ECHO.replace('return', 'time.sleep(0.2); return')}", asynchronous=True),
)
