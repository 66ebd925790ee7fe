"""Builds the site: `python -m docs.site`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from . import commands, http_api, llms, python_api
from .pages import CONFIG, ELSEWHERE, ROOT, config, navigation
from .staging import Stage, pages_of_docs

_BUILD = ROOT / "build"
_HERE = Path(__file__).parent


def main() -> None:
    """Build the site into build/site."""
    if len(sys.argv) > 1:
        sys.exit("python -m docs.site takes no arguments: it builds build/site of docs/")
    print(f"open {build(_BUILD) / 'index.html'}")


def build(folder: Path) -> Path:
    """Build the site below a folder, of all pages and of what the code says of itself.

    Returns:
        The folder of the site.

    Raises:
        CalledProcessError: a link leads nowhere, or a page is wrong in another way; what, is printed.
    """
    docs, site = folder / "docs", folder / "site"
    stage = Stage(docs)
    stage.add_pages([*pages_of_docs(), *(ROOT / source for source in ELSEWHERE.values())])
    for path, text in python_api.pages():
        stage.write(path, text)
    document = http_api.openapi()
    stage.write("reference/http.md", http_api.page(document))
    stage.write("reference/openapi.json", json.dumps(document, indent=1))
    stage.write("reference/commands.md", commands.page())
    stage.write("index.md", llms.with_contents(docs))
    stage.write("llms.txt", llms.of_site(docs))
    shutil.copytree(_HERE / "assets", docs / "assets")
    shutil.copytree(_HERE / "theme", folder / "theme", dirs_exist_ok=True)
    (folder / CONFIG.name).write_text(config())
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(folder / CONFIG.name)]
    subprocess.run(command, check=True, cwd=folder, timeout=300)
    for page in navigation():
        shutil.copyfile(docs / page.path, site / page.path)
    return site


if __name__ == "__main__":
    main()
