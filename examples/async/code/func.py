import time


def main(params):
    seconds = min(float(params.get("seconds", 3)), 30)
    print(f"working for {seconds} s")
    time.sleep(seconds)
    return {"slept": seconds}
