"""What is sent and answered about files."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ...models.manifest import Artifact
from ..jobs.documents import Strict

MOST_PARTS = 10_000

_DIGEST, _NAME = r"^[0-9a-f]{64}$", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
PATTERNS = {
    _DIGEST: "64 hex digits, in small letters",
    _NAME: "up to 128 letters and digits of ASCII, '.', '_' and '-', of which a letter or a digit comes first",
}
"""What these patterns ask for, in words."""
Digest = Annotated[str, StringConstraints(pattern=_DIGEST)]
Name = Annotated[str, StringConstraints(pattern=_NAME)]
KeepDays = Annotated[float, Field(gt=0, le=36_600, description="Days after the last submit that names it.")]
KEEP_DAYS = 30.0


class StoredUpload(BaseModel):
    """A file that was uploaded.

    Attributes:
        ref: the reference that jobs take as data: `store://<SHA-256>/<name>`.
        size: bytes.
    """

    ref: str
    size: int


class ListedUpload(StoredUpload):
    """What was uploaded, and until when it is kept at least; `files` is how many there are, of a folder."""

    model_config = ConfigDict(from_attributes=True)

    files: int
    created_at: AwareDatetime
    expires_at: AwareDatetime


class UploadList(BaseModel):
    """What was uploaded, the newest first."""

    files: list[ListedUpload]


class Parts(Strict):
    """Uploaded files that make a longer one.

    Attributes:
        name: of the whole; its suffix says the format.
        parts: references of the parts, in order.
        digest: SHA-256 of the whole, in hex, which is checked; None for whatever they make.
        keep_days: for how long the whole is kept after the last job that names it.
    """

    name: Name
    parts: list[str] = Field(min_length=1, max_length=MOST_PARTS)
    digest: Digest | None = None
    keep_days: KeepDays = KEEP_DAYS


class FileList(BaseModel):
    """The files of a job or a version, each with its name, digest and size, by the names to ask for."""

    files: dict[str, Artifact]
