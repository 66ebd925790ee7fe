"""Which Stoker this is."""

VERSION = "0.1.0"

_major, _minor, _patch = map(int, VERSION.split("."))
# The version as one number that grows: records and announcements carry it, and scripts compare it.
RELEASE = (_major * 1000 + _minor) * 1000 + _patch
