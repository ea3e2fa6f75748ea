"""The function that all servers carry: seed 1's func2. `sleep` seconds pass first, as with a call over the network."""

import time


def main(params):
    if "sleep" in params:
        time.sleep(params["sleep"])
    return {"x": params["x"] + params["y"], "y": params["x"] - params["y"]}
