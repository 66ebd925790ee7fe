"""`python -m stoker.access.users`: config/users.acl, and the table of keys in docs/security.md, made of the table.

Run in the repository's root, it writes both anew.
"""

import re
from pathlib import Path

from ..lanes.keys import PREFIX as LANE_PREFIX
from ..ledger.keys import PREFIX
from .table import LANE_WRITERS, OWN, WRITERS, Party, channels, commands, key_patterns, pattern

# By user: the number in what stands for its password, as docker/make-secrets looks for it.
_PASSWORDS = {Party.CLIENT: 1, Party.WORKER: 2, Party.CONTROLLER: 3, Party.APPROVER: 5}
_OPERATOR = "user operator on >CHANGE-ME-4 allkeys allchannels +@all"
_ACL_FILE = Path("config", "users.acl")
_GUIDE = Path("docs", "security.md")
_TABLE = re.compile(r"(?<=<!-- keys -->\n).*?(?=<!-- end of keys -->)", re.DOTALL)


def acl_file() -> str:
    """The users, as Redis' `aclfile` has them; Redis takes no comments there."""
    return "\n".join(("user default off", *map(_user, _PASSWORDS), _OPERATOR, ""))


def keys_table() -> str:
    """Which keys each party may write, as a table of Markdown; parties of the same keys share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for writers, prefixes in ((WRITERS, PREFIX), (LANE_WRITERS, LANE_PREFIX)):
        for name, parties in writers.items():
            named = tuple(f"`{each}`" for each in Party if each in parties)
            row = ("each user, its own",) if name in OWN else named
            rows.setdefault(row, []).append(f"`{pattern(prefixes[name]).removeprefix('stoker:')}`")
    lines = [
        f"| {', '.join(parties) or 'operators alone'} | {', '.join(sorted(names))} |"
        for parties, names in sorted(rows.items(), key=lambda row: -len(row[0]))
    ]
    return "\n".join(("| written by | keys |", "| --- | --- |", *lines, ""))


def with_table(guide: str) -> str:
    """The guide with the table of keys as it is now."""
    return _TABLE.sub(lambda _: keys_table(), guide)


def _user(party: Party) -> str:
    wide = [f"+{word}" for word in commands(party) if word.startswith("@")]
    narrow = [f"+{word}" for word in commands(party) if not word.startswith("@")]
    rules = (
        *("on", f">CHANGE-ME-{_PASSWORDS[party]}", "resetkeys", "%R~stoker:*", *key_patterns(party), *_counted(party)),
        *("resetchannels", *(f"&{each}" for each in channels(party))),
        *("-@all", "+@connection", *wide, "-@dangerous", *narrow),
    )
    journal = () if party is Party.CONTROLLER else (_journal(party),)
    return " ".join(("user", party, *rules, *journal))


def _counted(party: Party) -> tuple[str, ...]:
    """Where it is counted how often a user asks a model, if it may."""
    return () if party is Party.APPROVER else (f"~{LANE_PREFIX['asked']}{party}:*",)


def _journal(user: str) -> str:
    """What a user may do to its own entries of the audit: add some."""
    return f"(+xadd %W~{PREFIX['audit']}{user}) (+sadd %W~{PREFIX['audits']})"


if __name__ == "__main__":
    _ACL_FILE.write_text(acl_file())
    _GUIDE.write_text(with_table(_GUIDE.read_text()))
