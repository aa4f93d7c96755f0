"""Find the code blocks of a page or a docstring, and say what language each is in."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parents[2]
LANGUAGES = {"python", "sh", "toml", "text", "json", "xml"}
"""What a fenced block may be in; ``text`` is shown and never run."""

PROGRAMS = {
    "apt-get", "cat", "cd", "cp", "dask", "export", "git", "install", "journalctl", "make", "mkdir",
    "pip", "pip-compile", "pre-commit", "pytest", "python", "sudo", "systemctl", "systemd-analyze",
    "tidetrack", "until", "useradd",
}  # fmt: skip
"""Every program that a shell block may call."""


class Block(NamedTuple):
    """One code block: where it stands, its language and its text."""

    source: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.source}:{self.line}"


def blocks_of(markdown: str, source: str) -> list[Block]:
    """Return the fenced and the indented blocks of ``markdown``, in order."""
    found: list[Block] = []
    for token in MarkdownIt().parse(markdown):
        if token.type not in {"fence", "code_block"} or token.map is None:
            continue
        language = token.info.strip() if token.type == "fence" else language_of(token.content)
        found.append(Block(source, token.map[0] + 1, language, token.content))
    return found


def language_of(text: str) -> str:
    """Return the language of an indented block, which does not name it."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if first.split(" ")[0] in PROGRAMS:
        return "sh"
    return "toml" if re.fullmatch(r"\[\[?[\w.]+\]\]?( *#.*)?", first) else "text"


def pages() -> list[Path]:
    """Return every Markdown page of the repository."""
    return [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]


def page_blocks() -> list[Block]:
    """Return the blocks of all pages."""
    return [
        block
        for page in pages()
        for block in blocks_of(page.read_text("utf-8"), page.relative_to(REPOSITORY).as_posix())
    ]


def docstring_blocks() -> list[Block]:
    """Return the blocks of all docstrings."""
    found: list[Block] = []
    for package in ("hal", "sim", "tidetrack", "tracker", "tests"):
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    text = ast.get_docstring(node) or ""
                    if "\n    " in text or "```" in text:
                        name = f"{file.relative_to(REPOSITORY)}:{getattr(node, 'name', '')}"
                        found += blocks_of(text, name)
    return found


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the commands of a shell block, as words; here-documents and comments are left out.

    Raises ``ValueError`` where a quote is not closed.
    """
    text = re.sub(r"<<'?(\w+)'?\n.*?\n\1(?=\n|$)", "", text, flags=re.DOTALL)
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        words = [word for word in words if word != "&"]
        if words:
            yield words[1:] if words[0] == "sudo" and words[1] in PROGRAMS else words
