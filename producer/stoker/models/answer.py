"""What a model gives for some rows, and which version gave it."""

from dataclasses import dataclass

from .tensors import Outputs


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one request.

    Attributes:
        outputs: the model's output, shape (rows, …); of several outputs a dict of these by name.
        model: the exact reference of the version that gave it, such as "digits@3".
        request: the id of the request, for `client.feedback`.
    """

    outputs: Outputs
    model: str
    request: str
