"""Build the documentation site, or serve it while its pages are written.

    python -m tests.documents.site build  # into build/docs/site; every warning is an error
    python -m tests.documents.site serve  # the same at a local address, rebuilt after each change

The site shows the pages and notebooks of ``docs/`` (notebooks are run), the pages at the root of
the repository (changelog, contributing, security), the shipped configurations, and an API reference
made from docstrings. They are first gathered in ``build/docs/source``. ``docs/README.md`` is the
start page, and the links under its headings are the navigation. Links in the pages are written for
a reader of the repository; the gathered pages have them rewritten for a reader of the site.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import posixpath
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.documents.api_reference import reference_pages

REPOSITORY = Path(__file__).parent.parent.parent
BUILD = REPOSITORY / "build" / "docs"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
WATCHED = ("docs", "config", "hal", "tidetrack", "tracker", "sim", *ROOT_PAGES)
PAGES = (".md", ".ipynb")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
LOADED = re.compile(
    r"""(?:<(?:script|img|iframe)\b[^>]*\bsrc=|<link\b(?![^>]*rel="(?:canonical|license)")[^>]*\bhref=)"""
    r"""["']((?:https?:)?//[^"']+)|@import[^;]*?((?:https?:)?//[^;"')]+)"""
)


def site_path(path: str) -> str | None:
    """Return where a file of the repository stands on the site, or None if it is not shown.

    ``path`` is relative to the root of the repository, with forward slashes; the result is
    relative to the root of the site.
    """
    if path == "docs/README.md":
        return "index.md"
    if path.startswith("docs/") and not path.endswith((".py", ".css")):
        return path.removeprefix("docs/")
    if path in ROOT_PAGES:
        return f"project/{path}"
    if re.fullmatch(r"config/[^/]+", path):
        return path
    return None


def rewrite_links(markdown: str, source: str) -> str:
    """Return ``markdown`` with links that lead to where their targets stand on the site.

    ``source`` is the page's path in the repository. A link to a file of the repository that the
    site does not show becomes its text. A link that leads nowhere stays; Sphinx then reports it.
    """
    folder = posixpath.dirname(source)
    own = site_path(source) or source

    def rewritten(match: re.Match[str]) -> str:
        text, target, anchor = match.groups(default="")
        path = posixpath.normpath(posixpath.join(folder, target))
        shown_at = site_path(path)
        if ":" in target:
            return match[0]
        if shown_at is None:
            return text if (REPOSITORY / path).exists() else match[0]
        return f"[{text}]({posixpath.relpath(shown_at, posixpath.dirname(own) or '.')}{anchor})"

    return LINK.sub(rewritten, markdown)


def navigation(index: str, pages: list[str]) -> str:
    """Return hidden tables of contents: one for each heading of the start page, one for the code.

    A page stands once, at its first link. Of ``pages``, those that the start page does not link
    follow the pages of their folder.
    """
    linked: dict[str, str] = {}
    captions: list[str] = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        caption, _, text = section.partition("\n")
        captions.append(caption)
        for match in LINK.finditer(text):
            if match[2].endswith(PAGES) and ":" not in match[2]:
                linked.setdefault(match[2], caption)
    folders = {posixpath.dirname(page): caption for page, caption in linked.items()}
    for page in pages:
        linked.setdefault(page, folders.get(posixpath.dirname(page), captions[-1]))
    trees: list[str] = []
    for caption in captions:
        listed = [page for page, its_caption in linked.items() if its_caption == caption]
        trees += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *listed, "```", ""]
    trees += ["```{toctree}", ":hidden:", ":caption: Code", "", "api/index.md", "```", ""]
    return "\n".join(trees)


def gather(source: Path) -> None:
    """Put all pages and files of the site into ``source``; only what changed is written."""
    wanted: dict[str, bytes] = {}
    files = [REPOSITORY / name for name in ROOT_PAGES]
    files += sorted(f for name in ("docs", "config") for f in (REPOSITORY / name).rglob("*"))
    for file in files:
        path = file.relative_to(REPOSITORY).as_posix()
        shown_at = site_path(path)
        if shown_at is None or not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".md":
            data = rewrite_links(data.decode(), path).encode()
        wanted[shown_at] = data
    pages = sorted(path for path in wanted if path.endswith(PAGES) and path != "index.md")
    start = wanted["index.md"].decode()
    wanted["index.md"] = f"{start}\n{navigation(start, pages)}".encode()
    api = reference_pages(REPOSITORY)
    for name, page in api.items():
        wanted[f"api/{name}.md"] = page.encode()
    wanted["api/index.md"] = _api_index(list(api)).encode()
    _write(source, wanted)


def _api_index(names: list[str]) -> str:
    rows = "\n".join(f"- [{name}]({name}.md)" for name in names)
    pages = "\n".join(f"{name}.md" for name in names)
    return (
        "# API reference\n\nOne page for each folder of code, made from its docstrings.\n\n"
        f"{rows}\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"
    )


def _write(folder: Path, wanted: dict[str, bytes]) -> None:
    for file in folder.rglob("*"):
        if file.is_file() and file.relative_to(folder).as_posix() not in wanted:
            file.unlink()
    for path, data in wanted.items():
        file = folder / path
        if not file.is_file() or file.read_bytes() != data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


def build() -> int:
    """Build the site; return 0, or 1 when there was a warning or a page loads from elsewhere."""
    gather(BUILD / "source")
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--quiet", "--fail-on-warning"]
    command += ["--keep-going", "--conf-dir", str(REPOSITORY / "docs")]
    command += [
        "--doctree-dir",
        str(BUILD / "doctrees"),
        str(BUILD / "source"),
        str(BUILD / "site"),
    ]
    # Notebooks run in folders of their own, and import the code of this checkout.
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    if subprocess.run(command, cwd=REPOSITORY, check=False, env=environment).returncode:
        return 1
    foreign = loaded_from_elsewhere(BUILD / "site")
    for line in foreign:
        print(f"{line}; a page of the site may load nothing from another host", file=sys.stderr)
    if not foreign:
        print(f"documentation: {(BUILD / 'site' / 'index.html').relative_to(REPOSITORY)}")
    return bool(foreign)


def loaded_from_elsewhere(site: Path) -> list[str]:
    """Return one line for each address of another host that a page or style sheet loads."""
    return [
        f"{file.relative_to(site)} loads {match[1] or match[2]}"
        for file in sorted(site.rglob("*"))
        if file.suffix in {".html", ".css"}
        for match in LOADED.finditer(file.read_text(encoding="utf-8"))
    ]


def serve(port: int) -> int:
    """Serve the site on the loopback and build it anew when a source changes, until Ctrl-C."""
    pages = functools.partial(_Pages, directory=str(BUILD / "site"))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), pages)
    except (OSError, OverflowError) as error:
        print(f"--port {port}: {error}; choose another port", file=sys.stderr)
        return 2
    with server:
        build()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"serving http://127.0.0.1:{server.server_port}, Ctrl-C ends it")
        built_from = _newest_change()
        try:
            while True:
                time.sleep(1.0)
                if (newest := _newest_change()) > built_from:
                    built_from = newest
                    build()
        except KeyboardInterrupt:
            server.shutdown()
    return 0


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Serves the built site and prints no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


def _newest_change() -> float:
    roots = [REPOSITORY / name for name in WATCHED]
    files = [f for root in roots for f in ([root] if root.is_file() else root.rglob("*.*"))]
    return max(file.stat().st_mtime for file in files if "__pycache__" not in file.parts)


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.documents.site", description=__doc__)
    parser.add_argument("what", choices=["build", "serve"])
    parser.add_argument("--port", type=int, default=8000, help="of the local server (8000)")
    args = parser.parse_args()
    return build() if args.what == "build" else serve(args.port)


if __name__ == "__main__":
    sys.exit(main())
