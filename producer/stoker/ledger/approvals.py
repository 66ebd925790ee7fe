"""Who may approve deployments, and what they say.

A role is a name for Redis users, in the settings of the controller. What a user says is noted under the key of the
role, and the user must be one of the role's. The user's name is what the client asks the server for; so it is Redis'
own rules for that key which hold against somebody who would write another one: see docs/rollouts.md.
"""

from collections.abc import Mapping, Sequence

from ..errors import InvalidJob, JobNotFound, Unauthorized
from ..kinds.rollout import Approval
from ..redis.calls import Call, Steps, Word
from .readable import readable
from .scripts import script


def set_roles(roles: Mapping[str, Sequence[str]]) -> Call[bool]:
    """Replace the roles and who has them; returns whether anything has changed."""
    words: list[Word] = []
    for role, users in sorted(roles.items()):
        words += [role, " ".join(users)]
    return Call(tuple(words), bool, script("roles"))


def say(job_id: str, *, is_granted: bool, note: str = "") -> Steps[str]:
    """Approve a deployment that waits for it, or refuse it; gives the user who has.

    Raises:
        JobNotFound: no job has this id.
        InvalidJob: it does not wait for an approval.
        Unauthorized: the user of this connection has not the role.
    """
    user: str = yield Call(("ACL", "WHOAMI"), lambda answer: answer.decode())
    answer: list[bytes] = yield Call((job_id, user, int(is_granted), note), list, script("approve"))
    how, *about = answer
    said = [word.decode(errors="replace") for word in about]
    match how.decode(), said:
        case "ok", _:
            return user
        case "missing", _:
            raise JobNotFound(f"no job has the id {job_id!r}: it never existed or its record has expired")
        case "role", [role]:
            raise Unauthorized(
                f"nobody has the role {role!r}: name its Redis users in the controller's settings, as in "
                f'[roles] {role} = ["{user}"] of stoker.toml'
            )
        case "user", [role, users]:
            raise Unauthorized(
                f"the Redis user {user!r} has not the role {role!r}: {', '.join(users.split())} {_have(users)}"
            )
    raise InvalidJob(f"job {job_id} {_why_not(how.decode(), said)}")


def _have(users: str) -> str:
    return "has" if len(users.split()) == 1 else "have"


def _why_not(how: str, said: Sequence[str]) -> str:
    """Why a job takes no approval."""
    match how, said:
        case "none", _:
            return "asks for no approval: that is what Deploy(approval=…) does"
        case "state", [state]:
            return f"is {state}: it has ended, and there is nothing to approve"
        case "early", _:
            return "does not wait for its approval yet: it is tested first; try again in a moment"
        case "said", [other]:
            before = readable(Approval, other.encode())
            return f"was {before.words() if before else 'answered'} a moment ago: the first word holds"
        case _:
            return "waits for no approval any more: `stoker watch` tells what was said"
