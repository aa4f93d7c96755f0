"""Settings of Sphinx for the documentation site; `make docs` uses them."""

import tomllib
from pathlib import Path

_project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

project = _project["name"]
release = _project["version"]
html_title = f"tidetrack {release}"

extensions = ["myst_nb"]  # Markdown by myst_parser, and notebooks
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
root_doc = "index"
nitpicky = True  # a reference that leads nowhere is a warning, and warnings are errors
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures are text, not references,
suppress_warnings = ["ref.python"]  # and may fit two definitions
highlight_language = "text"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "fieldlist"]

nb_execution_mode = "force"  # a notebook has no outputs in the repository; it is run here
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # s a cell
nb_merge_streams = True

html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
add_module_names = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"
