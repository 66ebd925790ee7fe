"""Run a command that cannot outlive whoever started it: `python guard.py COMMAND ARGUMENT…`.

The starter holds the other end of our standard input and never writes to it. When it dies, even of SIGKILL, the
input ends, and we kill our whole process group, the command and its children included. SIGTERM is passed on to the
command alone: ending its children is its own affair. Run as a file, so that nothing but the standard library loads.
"""

import os
import signal
import sys
import threading


def main(command: list[str]) -> int:
    """Run the command in our process group, with an empty input; its exit code, 128 + n if signal n ended it."""
    # Held back until there is a command to pass it on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[no_input], setsigmask=())
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    # As soon as it is reaped, its id may be that of a stranger.
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
