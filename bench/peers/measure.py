"""Command line, timing and answers that the peers share with `bench/src`: the same keys, the same protocol."""
import argparse
import json
import statistics
import sys
import time

import torch


def options(*extra):
    """Options of every peer, and the peer's own as (name, default) pairs."""
    parser = argparse.ArgumentParser()
    for name, default in extra:
        kind = {"action": "store_true"} if default is False else {"type": type(default), "default": default}
        parser.add_argument(f"--{name}", **kind)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="one JSON object; without it, one line")
    parser.add_argument("--serve", action="store_true", help="for each line N on stdin, run N steps and answer with a line")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    return arguments


def memory_mib(field):
    """`VmRSS` resident now, `VmHWM` its peak."""
    with open("/proc/self/status") as status:
        return round(next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024, 1)


def forget_peak():
    """Starts the peak again from what is resident now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def quantile(values, p):
    ordered = sorted(values)
    place = (len(ordered) - 1) * p
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def sample(step, count, per=1):
    ms = []
    for _ in range(count):
        started = time.perf_counter()
        loss = step()
        ms.append((time.perf_counter() - started) * 1000 / per)
    return {"ms": ms, "loss": loss, "peak_mib": memory_mib("VmHWM")}


def answer(arguments, description, step, per=1):
    """Warms up, then measures once or serves."""
    started = time.perf_counter()
    first_loss = step()
    description = {
        "engine": "pytorch",
        "gemm": "pytorch",
        "threads": arguments.threads,
        "versions": f"pytorch {torch.__version__}",
        "first_ms": round((time.perf_counter() - started) * 1000),
        "first_loss": first_loss,
        **description,
    }
    step()
    if arguments.serve:
        print(json.dumps(description), flush=True)
        for line in sys.stdin:
            print(json.dumps(sample(step, int(line), per)), flush=True)
        return
    result = sample(step, arguments.steps, per)
    ms = result.pop("ms")
    summary = {
        "steps": len(ms),
        "ms_median": round(statistics.median(ms), 3),
        "ms_min": round(min(ms), 3),
        "ms_p20": round(quantile(ms, 0.2), 3),
        "ms_p80": round(quantile(ms, 0.8), 3),
    }
    whole = {**description, **summary, **result}
    print(json.dumps(whole) if arguments.json else " | ".join(f"{key} {value}" for key, value in whole.items()))
