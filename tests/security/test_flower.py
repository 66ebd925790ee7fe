"""Flower, which shows what messages say: who comes in, and that what they say is text."""

from pathlib import Path

import pytest
from flower.utils.authentication import authenticate

from stoker.local import redis_url_of
from stoker.redis.celery_app import celery_app
from stoker.settings import Settings

from ..conftest import Eventually
from ..flower import running_flower

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("pattern", "address", "comes_in"),
    [
        ("ann@shop.example", "ann@shop.example", True),
        ("ann@shop.example", "ann@shop.example.evil.example", False),
        ("ann@shop.example", "xann@shop.example", False),
        ("ann@shop.example", "ann@shopxexample", False),
        (".*@shop.example", "bob@shop.example", True),
        (".*@shop.example", "bob@shop.example.evil.example", False),
        (".*@shop.example", "bob@evil.example\n@shop.example", False),
        (".*@shop.example", "bob@shopxexample", False),
        ("ann@shop.example|bob@shop.example", "bob@shop.example", True),
        ("ann@shop.example|bob@shop.example", "bob@shop.example.evil.example", False),
    ],
)
def test_who_may_come_in_is_an_address_from_end_to_end(pattern: str, address: str, comes_in: bool) -> None:
    """CVE-2022-30034: a pattern that was matched at its beginning alone."""
    assert bool(authenticate(pattern, address)) is comes_in


def test_markup_from_a_message_is_text_on_its_pages(redis_url: str, tmp_path: Path, eventually: Eventually) -> None:
    (tmp_path / "home").mkdir()
    settings = Settings(home=tmp_path / "home", redis_url=redis_url)
    app = celery_app(settings, redis_url_of(settings))
    with (
        running_flower(settings) as flower,
        app.connection() as connection,
        app.events.Dispatcher(connection, f"cpu@{MARKUP}") as dispatcher,
    ):

        def is_seen() -> bool:
            dispatcher.send("task-received", uuid="a-job", name=MARKUP, args=MARKUP, kwargs=MARKUP)
            return b"a-job" in flower.get("/api/tasks")

        eventually(is_seen)
        for page in ("/", "/workers", "/tasks", "/task/a-job", "/broker"):
            told = flower.get(page).decode()
            assert "<script>alert" not in told, page
            assert "<img src=x" not in told, page
        assert "&lt;script&gt;alert(1)" in flower.get("/task/a-job").decode()
