"""Checks of the arguments of both clients, before anything is sent."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from numbers import Real

from ..errors import InvalidArgument, JobNotFound
from ..events import JobState
from ..kinds import KINDS, Priority, Spec
from ..kinds.base import JobSpec
from ..kinds.problems import short
from ..ledger.records import Search

# A longer wait takes no timeout.
_LONGEST_S = 366 * 24 * 3600.0
_MOST_LISTED = 10_000
_PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high")
_EVENT_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
_JOB_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_LARGEST_ID = 2**64
_LONGEST_KEY = 1_000


def number(value: object) -> float | None:
    """A number, infinite if it is too large for a float; None for what is none."""
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def timeout(value: object) -> float:
    """Seconds to wait."""
    seconds = number(value)
    if seconds is None:
        raise InvalidArgument(f"timeout must be a number of seconds, got {short(value)}")
    if not 0 <= seconds <= _LONGEST_S:
        hint = "; to wait for ever, give None where that is allowed" if seconds == math.inf else ""
        raise InvalidArgument(f"timeout must be 0 to {_LONGEST_S:.0f} seconds, got {seconds:g}{hint}")
    return seconds


def timeout_or_none(value: object) -> float | None:
    """Seconds to wait; None to wait for ever."""
    return None if value is None else timeout(value)


def priority(value: object) -> Priority:
    """A priority by its name."""
    for known in _PRIORITIES:
        if value == known and isinstance(value, str):
            return known
    raise InvalidArgument(_unknown("priority", value, _PRIORITIES))


def limit(value: object) -> int:
    """The most jobs to list."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_LISTED:
        raise InvalidArgument(f"limit must be a whole number from 1 to {_MOST_LISTED:,}, got {short(value)}")
    return value


def state(value: object) -> JobState | None:
    """A job's state by its name, in any case; None for all."""
    if value is None:
        return None
    name = value.upper() if isinstance(value, str) else ""
    if name not in JobState.__members__:
        raise InvalidArgument(_unknown("state", str(value) if isinstance(value, str) else value, JobState.__members__))
    return JobState[name]


def kind(value: object) -> str | None:
    """A job's kind by its name, in any case; None for all."""
    if value is None:
        return None
    name = value.lower() if isinstance(value, str) else ""
    if name not in KINDS:
        raise InvalidArgument(_unknown("kind", value, KINDS))
    return name


def event_id(value: object, name: str = "after", what: str = "an event") -> str | None:
    """The id of an event or an alarm; None for before the first."""
    if value is None:
        return None
    fits = isinstance(value, str) and _EVENT_ID.fullmatch(value)
    if isinstance(value, str) and fits and all(int(part) < _LARGEST_ID for part in value.split("-")):
        return value
    raise InvalidArgument(f"{name} must be the id of {what}, such as '1764000000000-0', got {short(value)}")


def job_id(value: object) -> str:
    """The id of a job."""
    if not isinstance(value, str):
        raise InvalidArgument(f"a job's id is text, got {short(value)}")
    if not _JOB_ID.fullmatch(value):
        raise JobNotFound(f"no job has the id {short(value)}: an id is 1 to 64 letters, digits and dashes")
    return value


def job_id_or_none(value: object) -> str | None:
    """The id of a job, or None."""
    return None if value is None else job_id(value)


def model_ref(value: object) -> str:
    """A model reference; whether it exists is the registry's to say."""
    if not isinstance(value, str) or not _is_unicode(value):
        raise InvalidArgument(f"a model reference is text: name, name@3 or name@alias; got {short(value)}")
    return value


def model_ref_or_none(value: object) -> str | None:
    """A model reference, or None."""
    return None if value is None else model_ref(value)


def flag(value: object, name: str) -> bool:
    """True or False."""
    if isinstance(value, bool):
        return value
    raise InvalidArgument(f"{name} is True or False, got {short(value)}")


def text(value: object, what: str, longest: int) -> str:
    """Text of up to so many characters, as what `what` says."""
    if isinstance(value, str) and len(value) <= longest and _is_unicode(value):
        return value
    raise InvalidArgument(f"{what} is text of up to {longest:,} characters, got {short(value)}")


def upload_ref(value: object) -> str:
    """A reference to an upload, as text."""
    if not isinstance(value, str):
        raise InvalidArgument(f"an upload is named by its reference, store://…, got {short(value)}")
    return value


def tags(value: object) -> dict[str, str]:
    """Tags by name; an empty dict for None."""
    if value is None:
        return {}
    words = [word for pair in value.items() for word in pair] if isinstance(value, Mapping) else [value]
    if not (isinstance(value, Mapping) and all(isinstance(word, str) and _is_unicode(word) for word in words)):
        raise InvalidArgument(f"tags must be a dict of text by name, got {short(value)}")
    return dict(value)


def key(value: object) -> str:
    """The key that keeps a caller's requests with one version."""
    return text(value, "a key", _LONGEST_KEY)


def idempotency_key(value: object) -> str | None:
    """The idempotency key of a submit, or None."""
    if value is None or (isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()):
        return value
    raise InvalidArgument(f"an idempotency key is 1 to 256 printable characters, got {short(value)}")


def spec(value: object) -> Spec:
    """A job to submit; `submission` checks its fields."""
    if not isinstance(value, JobSpec):
        raise InvalidArgument(
            f"a job is a spec such as stoker.Train(…), got {short(value)}; for plain data see stoker.kinds.parse_spec"
        )
    return value  # type: ignore[return-value]  # the specs are the subclasses


def with_terms(value: object, **terms: object) -> Spec:
    """A job to submit, with those of its fields that were given beside it."""
    fields = {name: given for name, given in terms.items() if given is not None}
    if not isinstance(key := fields.get("singleton", ""), str):
        raise InvalidArgument(f"singleton is the text of a key, got {short(key)}")
    return spec(value).model_copy(update=fields) if fields else spec(value)


def specs(values: object) -> list[Spec]:
    """Jobs to submit together."""
    if isinstance(values, JobSpec) or not isinstance(values, Iterable):
        raise InvalidArgument(f"submit_many takes a list of specs, got {short(values)}; for one job use submit")
    return [spec(value) for value in values]


def moment(value: object, name: str) -> datetime | None:
    """A time, or None."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{name} must be a datetime, got {short(value)}")
    if value.tzinfo is None:
        raise InvalidArgument(f"{name} has no time zone: give one, as in datetime.now(UTC) - timedelta(hours=1)")
    return value


def search(
    of_state: object,
    of_kind: object,
    of_model: object,
    with_tags: object,
    of_parent: object,
    since: object = None,
    until: object = None,
    paused: object = False,
) -> Search:
    """The filter of a list of jobs."""
    known_state, known_kind = state(of_state), kind(of_kind)
    if not isinstance(paused, bool):
        raise InvalidArgument(f"paused is True for jobs that are paused, or False for all; got {short(paused)}")
    return Search(
        kinds=(known_kind,) if known_kind else (),
        # An older version may have ended one without a word of its pause.
        states=(known_state,) if known_state else (JobState.WAITING, JobState.RUNNING) if paused else (),
        model=model_ref_or_none(of_model),
        tags=tags(with_tags),
        parent=job_id_or_none(of_parent),
        since=moment(since, "since"),
        until=moment(until, "until"),
        paused=paused,
    )


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: half of a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown(name: str, value: object, known: Iterable[str]) -> str:
    names = list(known)
    text = value.lower() if isinstance(value, str) else ""
    close = difflib.get_close_matches(text, [each.lower() for each in names], n=1)
    meant = next((each for each in names if close and each.lower() == close[0]), None)
    hint = f"did you mean {meant!r}?" if meant else f"expected one of {', '.join(names)}"
    return f"{name}={short(value)} is unknown: {hint}"
