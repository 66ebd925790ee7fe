"""Where everything that is refused for want of trust is noted."""

import logging

_log = logging.getLogger(__name__)


def noted(what: str, who: str, about: str, text: str, tenant: str = "") -> None:
    """Note a refusal.

    Args:
        what: what was refused: "job", "model", …
        who: the worker, controller or client that refuses.
        about: its id.
        text: why, in one sentence.
        tenant: whose it is.
    """
    _log.warning("%s refuses %s %s%s: %s", who, what, about, f" of {tenant}" if tenant else "", text)
