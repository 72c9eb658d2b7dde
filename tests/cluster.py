"""Run by the interpreter that has `distributed`: a Dask cluster as somebody else has started it, without the pins.

It prints its address, and ends when its standard input does. `kill` ends a worker once it has work.
"""

import os
import signal
import sys
import threading
import time

from distributed import LocalCluster


def kill_one(cluster: LocalCluster) -> None:
    while True:
        time.sleep(0.05)
        for state in list(cluster.scheduler.workers.values()):
            if state.processing and any("_called" in str(task.key) for task in list(state.processing)):
                os.kill(next(each.pid for each in cluster.workers.values() if each.worker_address == state.address),
                        signal.SIGKILL)  # fmt: skip
                print("killed", flush=True)
                return


if __name__ == "__main__":
    kind = sys.argv[1]
    bare = {"processes": False, "protocol": "tcp://"} if kind == "bare" else {}
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, **bare)
    cluster.wait_for_workers(2)
    print(cluster.scheduler_address, flush=True)
    if kind == "kill":
        threading.Thread(target=kill_one, args=[cluster], daemon=True).start()
    sys.stdin.read()
    cluster.close()
