"""When a job that is run again does the same again."""

from collections.abc import Collection, Iterable


def why_it_differs(*, draws: bool, alias: str | None, own: Collection[str]) -> str:
    """Why a training that is equal to another may give or do something else; "" if it does not.

    Args:
        draws: whether it draws at random without a seed.
        alias: what it moves.
        own: what it runs of its author's own code.
    """
    if draws:
        return "needs a seed: without one, each run draws its own"
    if alias is not None:
        return f"would not move the alias {alias!r}: leave it out, and move it by client.alias_model"
    return runs_own_code("this job runs", own) if own else ""


def runs_own_code(what: str, names: Iterable[str]) -> str:
    """Why what runs an author's own code may do something else when it is run again.

    Args:
        what: the sentence's subject and verb, before the names.
        names: of that code.
    """
    return f"is not for code of your own, which a worker may have in another version: {what} {', '.join(sorted(names))}"
