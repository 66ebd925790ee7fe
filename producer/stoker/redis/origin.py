"""Where a call comes from."""

import getpass
import os
import platform
from functools import cache


@cache
def origin() -> str:
    """The user of this process and its machine, such as "ann@host"."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{platform.node()}"
