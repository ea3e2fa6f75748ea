"""The function that all servers carry: seed 1's func2.

`sleep` seconds pass first, as with a call over the network; `work` rounds of arithmetic, as with a call that has
something to do.
"""

import time


def main(params):
    if "sleep" in params:
        time.sleep(params["sleep"])
    total = 0
    for number in range(params.get("work", 0)):
        total += number % 7
    return {"x": params["x"] + params["y"], "y": params["x"] - params["y"]}
