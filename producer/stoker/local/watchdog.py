"""Runs a command that cannot outlive its starter: `python watchdog.py COMMAND ARGUMENT…`.

The starter keeps the other end of the watchdog's stdin open and never writes to it. When the starter dies, even of
SIGKILL, stdin ends, and the watchdog kills its process group: the command and its children. SIGTERM is passed on to the
command only, which ends its own children. Run as a file, so that only the standard library is imported.
"""

import os
import signal
import sys
import threading


def main(command: list[str]) -> int:
    """Run the command in this process group, with an empty stdin; gives its exit code, 128 + n for signal n."""
    # Blocked until the command runs, which it is passed on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[no_input], setsigmask=())
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    # Once the command is reaped, its pid may belong to another process.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _kill_group_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
