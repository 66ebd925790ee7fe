"""The check of the users of Redis: who needs no password, brings Lua, or has other rights than this version gives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...access.table import Party
from ...access.users import acl_file
from ...redis.calls import Call
from .check import Check, Finding, System, fail, ok, warn

# Rights within brackets are for few keys: selectors.
_SELECTOR = re.compile(r"\([^)]*\)")
# What runs a script that its caller brings, or one of a library that others have loaded without a look at it.
_OF_LUA = frozenset(("eval", "eval_ro", "function", "function|load", "function|restore", "fcall", "fcall_ro"))
_ALLOWS_ALL, _FORBIDS_ALL = {"+@all", "allcommands", "+@scripting"}, {"-@all", "nocommands", "-@scripting"}
_ALL_KEYS = {"~*", "allkeys"}
_THIS_MACHINE = ("127.", "[::1]", "/")
# How many rights a finding names of each user.
_NAMED = 3


@dataclass(frozen=True)
class User:
    """A user, as `ACL LIST` and an `aclfile` tell of it.

    Attributes:
        rules: in the order in which they hold, without selectors.
    """

    name: str
    rules: tuple[str, ...]

    @classmethod
    def read(cls, line: str) -> "User":
        """Read a line."""
        _, name, *rules = _SELECTOR.sub("", line).split()
        return cls(name, tuple(rules))

    @property
    def is_open(self) -> bool:
        """Whether one comes in without a password."""
        return "on" in self.rules and "nopass" in self.rules

    @property
    def brings_lua(self) -> bool:
        """Whether it may run scripts of its own; an operator, who may do everything, may."""
        if "on" not in self.rules or (self.rights >= {"+@all"} and self.rights & _ALL_KEYS):
            return False
        allowed: frozenset[str] = frozenset()
        for rule in self.rules:
            if rule in _ALLOWS_ALL | _FORBIDS_ALL:
                allowed = _OF_LUA if rule in _ALLOWS_ALL else frozenset()
            elif rule[0] == "+":
                allowed |= _OF_LUA & {rule[1:].lower()}
            elif rule[0] == "-":
                # All of a command's subcommands go with it.
                allowed = frozenset(each for each in allowed if each.partition("|")[0] != rule[1:] and each != rule[1:])
        return bool(allowed)

    @property
    def rights(self) -> frozenset[str]:
        """What it may run, write and read."""
        return frozenset(rule for rule in self.rules if rule[0] in "+~%" or rule in _ALL_KEYS)


def _users(system: System) -> Finding:
    users = system.connection.run(Call(("ACL", "LIST"), lambda lines: [User.read(_text(line)) for line in lines]))
    numbers = {"users": len(users), "bring_lua": sum(user.brings_lua for user in users)}
    if any(user.is_open for user in users):
        names = ", ".join(user.name for user in users if user.is_open)
        told = f"{names} comes in without a password: give it one, or `ACL SETUSER {names} off`"
        return warn(told, numbers) if _is_protected(system) else fail(f"{told}; protected-mode is off", numbers)
    differing = list(_other_rights(users))
    told_of = [*_with_lua(users), *_shared(system), *differing]
    told_of += ["take config/users.acl of this version"] * bool(differing)
    if told_of:
        return warn("; ".join(told_of), numbers)
    return ok(f"{len(users)}: " + ", ".join(sorted(user.name for user in users)), numbers)


def _is_protected(system: System) -> bool:
    """Whether strangers are kept out though there is no password: the setting lets in this machine alone."""
    answer = system.connection.run(
        Call(("CONFIG", "GET", "protected-mode"), lambda words: [_text(each) for each in words])
    )
    return answer[1:] == ["yes"]


def _with_lua(users: list[User]) -> Iterator[str]:
    if names := [user.name for user in users if user.brings_lua]:
        yield (
            f"{', '.join(names)} may bring Lua of their own, in which holes were found: forbid them EVAL, as "
            "config/users.acl does"
        )


def _other_rights(users: list[User]) -> Iterator[str]:
    """Users of the names in config/users.acl whose rights are not those of this version."""
    ours = {user.name: user.rights for user in map(User.read, acl_file().splitlines()) if user.name in list(Party)}
    for user in users:
        expected = ours.get(user.name, user.rights)
        for verb, rights in (("lacks", expected - user.rights), ("has beyond its need", user.rights - expected)):
            if rights:
                more = f" and {len(rights) - _NAMED} more" if len(rights) > _NAMED else ""
                named = ", ".join(sorted(rights)[:_NAMED])
                yield f"{user.name} {verb} {named}{more}"


def _shared(system: System) -> Iterator[str]:
    """Whether parties on several machines come as the one user who may do everything."""
    clients = system.connection.run(Call(("CLIENT", "LIST"), _text))
    hosts = {
        fields["addr"].rpartition(":")[0]
        for fields in (dict(word.partition("=")[::2] for word in line.split()) for line in clients.splitlines())
        if fields.get("user") == "default" and not fields["addr"].startswith(_THIS_MACHINE)
    }
    if hosts:
        yield (
            f"{', '.join(sorted(hosts))} come as user default, who may do everything: give each party a user of its "
            "own, docs/security.md#users"
        )


def _text(word: str | bytes) -> str:
    return word if isinstance(word, str) else word.decode(errors="replace")


CHECKS = (Check("users", _users),)
