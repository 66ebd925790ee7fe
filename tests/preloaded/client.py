"""A stand-in for Python: modules and execnet's gateways run as forks of the template, everything else as ever.

`client -m MODULE ARGUMENT…`, or `client -u -c CODE`, lives as long as the fork, passes its signals on, and ends as it
ends; when the client is killed, so is the fork with its group. Its name says which process that is: "of PID". The
socket lies beside the client. Only the standard library is imported.
"""

import json
import os
import signal
import socket
import sys

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def main(arguments: list[str]) -> None:
    """Run the command."""
    if arguments[:1] != ["-m"] and arguments[:2] != ["-u", "-c"]:
        os.execv(sys.executable, [sys.executable, *arguments])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as template:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        template.connect(os.path.dirname(os.path.abspath(__file__)) + "/socket")  # noqa: PTH100, PTH120
        command = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
        socket.send_fds(template, [json.dumps(command).encode()], [0, 1, 2])
        for number in _SIGNALS:
            signal.signal(number, lambda number, _: template.send(bytes([number])))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        with open("/proc/self/comm", "wb") as name:  # noqa: PTH123
            name.write(b"of " + template.recv(16))
        code = int(template.recv(16) or str(os.EX_SOFTWARE))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
