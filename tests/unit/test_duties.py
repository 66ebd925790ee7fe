"""What a duty does for a list of things: one that fails keeps none of the others from its turn."""

import pytest

from stoker_workers.controller.duties import for_each


def test_what_fails_for_one_item_is_done_for_the_others() -> None:
    done: list[str] = []

    def act(item: str) -> None:
        if item in ("broken", "away"):
            raise {"broken": ValueError, "away": OSError}[item](item)
        done.append(item)

    with pytest.raises(ExceptionGroup) as raised:
        for_each(["first", "broken", "second", "away", "third"], act)
    assert done == ["first", "second", "third"]
    assert [str(error) for error in raised.value.exceptions] == ["broken", "away"]


def test_a_list_without_a_failure_raises_nothing() -> None:
    done: list[int] = []
    for_each([1, 2], done.append)
    assert done == [1, 2]
