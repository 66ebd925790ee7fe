"""RQ: the function that its workers call."""


def noop() -> None:
    """Do nothing."""
