"""The id of a request that was answered: which version answered it, and which request it was."""

import re
from dataclasses import dataclass

from ..errors import InvalidArgument

_ID = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,15}):([0-9a-f]{32}):([0-9]{1,20})")


@dataclass(frozen=True)
class RequestId:
    """What is in it: `str` writes it, as `digits@3:5f0c…:17`.

    Attributes:
        model: the exact reference of the version that answered.
        client: the id of the client that asked, 32 hexadecimal digits.
        number: of the request, at that client.
    """

    model: str
    client: str
    number: int

    def __str__(self) -> str:
        return request_id(self.model, self.client, self.number)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.partition("@")[0]

    @property
    def version(self) -> int:
        """The number of the version."""
        return int(self.model.partition("@")[2])

    @classmethod
    def parse(cls, written: object) -> "RequestId":
        """Read one.

        Raises:
            InvalidArgument: it is none.
        """
        match = _ID.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            shown = repr(written)[:100] if isinstance(written, str) else f"a {type(written).__name__}"
            raise InvalidArgument(
                f"{shown} is no id of a request: expected one as `Prediction.request` and "
                "`Answer.request` have it, such as digits@3:5f0c8e4b5d1a4b6c9e2f7a8b9c0d1e2f:17"
            )
        return cls(match[1], match[2], int(match[3]))


def request_id(model: str, client: str, number: int) -> str:
    """The text of a `RequestId`."""
    return f"{model}:{client}:{number}"
