"""The members of a zip: what is refused before any of it is read or written."""

import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

from .screen import screen

MOST_MEMBERS = 10_000
# Weights hardly shrink. What is so much smaller in the archive is made to fill a disk or a memory.
_MOST_RATIO = 200
_SMALL = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, EOFError, OverflowError),
    UnicodeDecodeError,
)
"""What zipfile raises for an archive that is none, or a damaged one."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


@screen
def checked_members(archive: zipfile.ZipFile, what: str, most_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """The regular files of a zip by name; folders are left out.

    Args:
        what: the archive, for messages.
        most_bytes: how large all files may be together.

    Raises:
        InvalidJob: it has too many or too large members, one twice, one that is no regular file, one whose path
            leads out of the archive, or some that are the same bytes.
    """
    listed = archive.infolist()
    if len(listed) > MOST_MEMBERS:
        raise InvalidJob(f"{what} has {len(listed):,} members and may have {MOST_MEMBERS:,}; a saved model has few")
    members: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        name = member.filename
        if not safe_path(name) or member.orig_filename != name:
            raise InvalidJob(f"{what} has the member {short(name)}, whose path may lead out of it; pack it anew")
        if not _is_plain(member):
            raise InvalidJob(
                f"{what} has the member {short(name)}, which is a link, a device or encrypted; pack only regular files"
            )
        if name.rstrip("/") in members:
            raise InvalidJob(
                f"{what} has the member {short(name)} twice, and readers differ in which they take; pack it anew"
            )
        if not member.is_dir():
            members[name] = member
    total = sum(member.file_size for member in members.values())
    packed = sum(member.compress_size for member in members.values())
    if any(member.header_offset < 0 for member in listed):
        raise InvalidJob(f"{what} is a damaged zip, with members before its beginning; pack it anew")
    if packed > archive.start_dir:
        raise InvalidJob(f"{what} has members that share their bytes, which is made to fill a disk; pack it anew")
    if total > most_bytes or total > _SMALL + _MOST_RATIO * packed:
        raise InvalidJob(
            f"{what} would unpack to {total:,} bytes from {packed:,}, which no model does; expected at most "
            f"{most_bytes:,} bytes, and {_MOST_RATIO} times the packed size"
        )
    return members


def safe_path(name: str) -> bool:
    """Whether a member's name stays below the folder that it is unpacked into, on any system."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not _CONTROL.search(name)
        and not name.startswith("/")
        and ":" not in parts[0]
        and ".." not in parts
        and "//" not in name
    )


def unpack(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """Write checked members below a folder; none becomes larger than the archive says."""
    for name, member in members.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("xb") as sink:
            while block := source.read(1 << 20):
                sink.write(block)


def _is_plain(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    fits = kind in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG)
    return fits and not member.flag_bits & 0x1 and member.compress_type in _METHODS
