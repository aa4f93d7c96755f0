"""Write the API reference: one Markdown page for each folder of code, from its docstrings.

The code is read, not imported, so the reference needs nothing that the code needs, and functions
that numba compiles appear like any other. Names that begin with an underscore are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

PACKAGES = ("tidetrack", "hal", "tracker", "sim")
FENCES = {"module": "`" * 5, "member": "`" * 4}
CODE = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)


def reference_pages(repository: Path) -> dict[str, str]:
    """Return the pages: dotted name of a folder of code to Markdown, sorted by name."""
    pages: dict[str, str] = {}
    for package in PACKAGES:
        for folder in sorted({file.parent for file in (repository / package).rglob("*.py")}):
            name = ".".join(folder.relative_to(repository).parts)
            sections = [
                section
                for file in sorted(folder.glob("*.py"))
                if (section := _module_section(name, file))
            ]
            if sections:
                pages[name] = f"# {name}\n\n" + "\n".join(sections)
    return pages


def _module_section(folder: str, file: Path) -> str:
    """Return what a module says of itself and of its public definitions; empty if nothing."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    if not ast.get_docstring(module):
        return ""
    name = folder if file.stem == "__init__" else f"{folder}.{file.stem}"
    lines = [] if name == folder else [f"## {name}", ""]  # the folder's name is the page's title
    lines += [f"```{{py:module}} {name}", "```", "", as_markdown(_docstring(module)), ""]
    for node in module.body:
        if isinstance(node, Definition) and _is_public(node):
            lines += [*_class(node)] if isinstance(node, ast.ClassDef) else [*_function(node)]
    return "\n".join(lines)


def _class(node: ast.ClassDef) -> Iterator[str]:
    fence = FENCES["module"]
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield from (f"{fence}{{py:class}} {node.name}" + (f"({bases})" if bases else ""), "")
    yield from (as_markdown(_docstring(node)), "")
    for member, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            yield from _attribute(member, member.target.id, following)
        elif isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(member):
            yield from _function(member, "member")
    yield from (fence, "")


def _attribute(node: ast.AnnAssign, name: str, following: ast.stmt | None) -> Iterator[str]:
    """Write a field with its type and its default, and the string that follows it, if one does."""
    if name.startswith("_"):
        return
    fence = FENCES["member"]
    yield f"{fence}{{py:attribute}} {name}"
    yield f":type: {ast.unparse(node.annotation)}"
    if node.value is not None:
        yield f":value: {ast.unparse(node.value)}"
    yield ""
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        yield as_markdown(str(following.value.value))
    yield from (fence, "")


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, level: str = "module") -> Iterator[str]:
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    fence = FENCES[level]
    if level == "member" and decorators & {"property", "cached_property"}:
        yield f"{fence}{{py:property}} {node.name}"
        if node.returns is not None:
            yield f":type: {ast.unparse(node.returns)}"
    else:
        returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
        directive = "py:function" if level == "module" else "py:method"
        yield f"{fence}{{{directive}}} {node.name}({_arguments(node, level)}){returns}"
        if isinstance(node, ast.AsyncFunctionDef):
            yield ":async:"
        if level == "member":
            yield from (
                f":{kind}:" for kind in ("classmethod", "staticmethod") if kind in decorators
            )
    yield from ("", as_markdown(_docstring(node)), fence, "")


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, level: str) -> str:
    arguments = ast.unparse(node.args)
    if level == "member":
        arguments = re.sub(r"^(self|cls)(, |$)", "", arguments)
    return arguments


def as_markdown(docstring: str) -> str:
    """Return a docstring as Markdown that shows what the source shows.

    Docstrings are plain text with code in backticks. What Markdown would take for HTML or emphasis
    outside of code is escaped; ``::`` before an indented block becomes one colon.
    """
    parts = CODE.split(re.sub(r"::$", ":", docstring, flags=re.MULTILINE))
    for index in range(0, len(parts), 2):
        parts[index] = re.sub(r"<|(?<=\w)\*(?=\w)|\*\*|\[", r"\\\g<0>", parts[index])
    return "".join(parts)


def _is_public(node: Definition) -> bool:
    return not node.name.startswith("_") and ast.get_docstring(node) is not None


def _docstring(node: Definition | ast.Module) -> str:
    return ast.get_docstring(node) or ""
