"""The documentation site: its links, its navigation and its API reference."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.documents.api_reference import as_markdown, reference_pages
from tests.documents.blocks import REPOSITORY
from tests.documents.site import (
    gather,
    loaded_from_elsewhere,
    navigation,
    rewrite_links,
    serve,
    site_path,
)


@pytest.mark.parametrize(
    ("path", "shown_at"),
    [
        ("docs/README.md", "index.md"),
        ("docs/how-to/operate.md", "how-to/operate.md"),
        ("CHANGELOG.md", "project/CHANGELOG.md"),
        ("config/couch.toml", "config/couch.toml"),
        ("docs/conf.py", None),
        ("README.md", None),
        ("tracker/cli.py", None),
    ],
)
def test_a_file_stands_on_the_site_or_does_not(path: str, shown_at: str | None) -> None:
    assert site_path(path) == shown_at


def test_links_lead_to_where_a_page_stands_on_the_site() -> None:
    text = "[a](../../config/couch.toml) [b](operate.md#x) [c](../README.md) [d](https://e.org/f)"
    assert rewrite_links(text, "docs/how-to/page.md") == (
        "[a](../config/couch.toml) [b](operate.md#x) [c](../index.md) [d](https://e.org/f)"
    )
    assert rewrite_links("![p](docs/images/report.png)", "CHANGELOG.md") == (
        "![p](../images/report.png)"
    )
    assert rewrite_links("[code](../tracker/cli.py)", "docs/a.md") == "code"
    assert rewrite_links("[gone](gone.py)", "docs/a.md") == "[gone](gone.py)"


def test_every_page_is_in_the_navigation_once(tmp_path: Path) -> None:
    gather(tmp_path)
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    listed = [line for line in index.splitlines() if line.endswith(".md")]
    pages = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.md")}
    in_api = {page for page in pages if page.startswith("api/")} - {"api/index.md"}
    assert sorted(listed) == sorted(pages - in_api - {"index.md"})


def test_gathering_again_removes_what_is_gone_and_leaves_what_is_the_same(tmp_path: Path) -> None:
    gather(tmp_path)
    (tmp_path / "gone.md").write_text("# A page that was removed")
    before = (tmp_path / "decisions.md").stat().st_mtime_ns
    gather(tmp_path)
    assert not (tmp_path / "gone.md").exists()
    assert (tmp_path / "decisions.md").stat().st_mtime_ns == before


def test_a_page_linked_twice_stands_at_its_first_link() -> None:
    trees = navigation("# T\n\n## One\n[a](a.md)\n\n## Two\n[a](a.md) [b](f/b.md)\n", [])
    one, two, _code = trees.split("```{toctree}")[1:]
    assert ":caption: One\n\na.md\n" in one
    assert ":caption: Two\n\nf/b.md\n" in two


def test_a_page_that_is_not_linked_follows_those_of_its_folder() -> None:
    start = "# T\n\n## One\n[a](e/a.md)\n\n## Two\n[b](f/b.md)\n"
    one, two, _code = navigation(start, ["e/c.md", "f/b.md", "g/d.md"]).split("```{toctree}")[1:]
    assert ":caption: One\n\ne/a.md\ne/c.md\n" in one
    assert ":caption: Two\n\nf/b.md\ng/d.md\n" in two


def test_the_reference_shows_what_is_public(tmp_path: Path) -> None:
    folder = tmp_path / "hal"
    folder.mkdir()
    (folder / "thing.py").write_text(
        '"""A thing."""\n'
        "class Thing(Base):\n"
        '    """One."""\n'
        "    size_mm: float = 1.0\n"
        '    """How large."""\n'
        "    _own: int = 0\n"
        "    @property\n"
        "    def area(self) -> float:\n"
        '        """Its area."""\n'
        "    def _hidden(self) -> None:\n"
        '        """Not shown."""\n'
        "async def read(a: int, *, b: str = 'x') -> None:\n"
        '    """Read it."""\n'
        "def silent() -> None: ...\n"
    )
    page = reference_pages(tmp_path)["hal"]
    for shown in (
        "## hal.thing",
        "{py:class} Thing(Base)",
        "{py:attribute} size_mm\n:type: float\n:value: 1.0\n\nHow large.",
        "{py:property} area\n:type: float",
        "{py:function} read(a: int, *, b: str='x') -> None\n:async:",
    ):
        assert shown in page
    for hidden in ("_own", "_hidden", "silent"):
        assert hidden not in page


def test_a_docstring_is_shown_as_it_was_written() -> None:
    docstring = "Counts <a> and x*y*z of ``<b>*c*d``::\n\n    shown = as_code"
    html = MarkdownIt().render(as_markdown(docstring))
    assert "Counts &lt;a&gt; and x*y*z of <code>&lt;b&gt;*c*d</code>:</p>" in html
    assert "<pre><code>shown = as_code" in html


def test_every_public_module_is_in_the_reference() -> None:
    pages = reference_pages(REPOSITORY)
    shown = {line for page in pages.values() for line in page.splitlines()}
    for package in ("hal", "sim", "tidetrack", "tracker"):
        for file in (REPOSITORY / package).rglob("*.py"):
            parts = file.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(part for part in parts if part != "__init__")
            assert f"```{{py:module}} {name}" in shown, name


def test_pages_that_load_from_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example.org/a.css"><img src="own.png">'
        '<a href="https://example.org/page">a link loads nothing</a>'
    )
    (tmp_path / "b.css").write_text("@import url(//example.org/b.css);")
    assert loaded_from_elsewhere(tmp_path) == [
        "a.html loads https://fonts.example.org/a.css",
        "b.css loads //example.org/b.css",
    ]


def test_a_port_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert serve(port) == 2
    assert f"--port {port}: " in capsys.readouterr().err
    assert serve(99_999) == 2
