"""Takes the pictures of docs/console.md, light and dark, of the Stoker of this home folder and what runs there.

    stoker up                                                              # in a terminal of its own, with a new home
    KEY=$(stoker gateway new-key pictures --role operator -q) python -m tests.browser.screenshots

It needs Chromium. Nothing in the pictures is made up: a model is trained, searched for, asked and watched, and drifts.
"""

import io
import os
import random
import shutil
import time
from contextlib import closing
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

import stoker
from stoker.events import WindowTested
from stoker.gateway.console.page import ROOT
from stoker.settings import Settings

from .conftest import FLAGS, NAMES

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
_PATIENCE_S = 600.0
_WINDOW, _WINDOWS, _DRIFTS_FROM = 100, 6, 3
_COLOURS = 64
_SIZE: ViewportSize = {"width": 1180, "height": 820}
_TABLE = "sample://churn"


def main() -> None:
    """Let Stoker work for some minutes, and take pictures of its console."""
    settings = Settings()
    url = f"http://{settings.gateway_host}:{settings.gateway_port}"
    executable = next(filter(None, map(shutil.which, NAMES)))
    with stoker.Client(settings=settings) as client, sync_playwright() as playwright:
        pages = _work(client)
        running = client.submit(
            stoker.Train(model="digits", data="sample://digits", architecture=stoker.MLP(hidden=[256, 128]), epochs=400)
        )
        pages["job"] = f"jobs/{running.id}"
        with playwright.chromium.launch(executable_path=executable, args=FLAGS) as browser:
            for scheme in ("light", "dark"):
                _take(browser, url, pages, scheme)
        running.cancel()


def _work(client: stoker.Client) -> dict[str, str]:
    """The pages to be taken, by their names, once there is something on them."""
    architecture = stoker.MLP(hidden=[32])
    train = stoker.Train(model="churn", data=_TABLE, target="churned", architecture=architecture, epochs=30, seed=1)
    client.submit(train).result(_PATIENCE_S)
    search = client.submit(
        stoker.Tune(
            job=train.model_copy(update={"epochs": 12}),
            space={
                "optimizer.learning_rate": stoker.Float(1e-4, 1e-1, log=True),
                "architecture.hidden": stoker.Choice([[8], [32], [64, 32]]),
                "batch_size": stoker.Choice([16, 32, 64]),
            },
            goal="max val_accuracy",
            trials=14,
            seed=1,
        )
    )
    search.result(_PATIENCE_S)
    _watch(client)
    return {"overview": "", "tune": f"tune/{search.id}", "drift": "drift/churn", "curl": "try/churn"}


def _watch(client: stoker.Client) -> None:
    """Have windows of requests watched, the later ones of other customers than those in training."""
    watch = client.submit(stoker.Monitor(model="churn", window=_WINDOW))
    chance, tested, deadline = random.Random(1), 0, time.monotonic() + _PATIENCE_S
    while tested < _WINDOWS and time.monotonic() < deadline:
        client.predict("churn", [_row(chance, drifts=tested >= _DRIFTS_FROM) for _ in range(20)])
        tested = sum(isinstance(event, WindowTested) for event in watch.events_so_far())


def _row(chance: random.Random, *, drifts: bool) -> dict[str, object]:
    return {
        "age": chance.gauss(58 if drifts else 45, 12),
        "plan": chance.choice(["basic", "basic", "plus"] if drifts else ["basic", "plus", "family"]),
        "region": chance.choice(["north", "south", "east", "west"]),
        "monthly": chance.uniform(20, 73),
        "calls": chance.randrange(7),
        "joined": f"20{chance.randrange(20, 26)}-0{chance.randrange(1, 9)}-01",
        "paperless": chance.choice([True, False]),
    }


def _take(browser: Browser, url: str, pages: dict[str, str], scheme: str) -> None:
    with closing(
        browser.new_context(base_url=url, viewport=_SIZE, color_scheme="dark" if scheme == "dark" else "light")
    ) as context:
        page = context.new_page()
        page.goto(ROOT)
        page.get_by_label("API key").fill(os.environ["KEY"])
        page.get_by_role("button", name="Log in").click()
        for name, path in pages.items():
            page.goto(f"{ROOT}/{path}" if path else ROOT)
            page.get_by_role("heading", level=1).wait_for()
            if name == "curl":
                _ask_for_curl(page)
            page.wait_for_load_state("load")
            _save(page.screenshot(), _IMAGES / f"console-{name}{'-dark' * (scheme == 'dark')}.png")


def _save(picture: bytes, path: Path) -> None:
    """A picture in as many colours as such a page needs."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS).save(path, optimize=True)


def _ask_for_curl(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#with-curl summary").click()


if __name__ == "__main__":
    main()
