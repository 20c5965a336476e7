"""Run one command to its end and print what it cost; started as a small process of its own.

On Linux a child's peak memory begins with that of the process that started it, so what starts the measured
commands must stay small: this file is run by `python -I -S` and imports next to nothing.

Standard input: JSON with `argv`, `environment` (all of it), `cpus` (a list, or null), `log` (a file that gets the
command's output) and `limit` (seconds). Standard output: JSON with `exit`, `wall`, `user`, `system` (seconds) and
`peak_kb`. `user`, `system` and the peak (of the largest process, not of their sum) include the command's
own children, by the operating system's count (wait4).
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    asked = json.load(sys.stdin)
    if asked["cpus"]:
        os.sched_setaffinity(0, asked["cpus"])
    output = (os.POSIX_SPAWN_OPEN, 1, asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    actions = [output, (os.POSIX_SPAWN_DUP2, 1, 2)]
    begun = time.monotonic()
    # A group of its own, so that what it started ends with it.
    child = os.posix_spawnp(asked["argv"][0], asked["argv"], asked["environment"], file_actions=actions, setpgroup=0)

    def end(*_: object) -> None:
        os.killpg(child, signal.SIGKILL)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    signal.alarm(asked["limit"])
    _, status, usage = os.wait4(child, 0)
    cost = {
        "exit": os.waitstatus_to_exitcode(status),
        "wall": time.monotonic() - begun,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_kb": usage.ru_maxrss,
    }
    sys.stdout.write(json.dumps(cost))


if __name__ == "__main__":
    main()
