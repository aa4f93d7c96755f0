"""The Grafana board asks for metrics that are served, the Foxglove layout for fields of records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.live.memory_room import MemoryRoom
from tests.live.test_published_state import shown, tracked
from tracker.journal.contents import CONTENTS
from tracker.live.service.metrics import render
from tracker.live.service.published_state import PublishedState

__all__ = ["tracked"]  # the fixture: a state with devices, hops, requests

FOLDER = Path(__file__).parents[2] / "docs" / "dashboards"


@pytest.fixture
def labels_served(tracked: tuple[PublishedState, MemoryRoom]) -> dict[str, set[str]]:
    """Return every served sample's name with the names of its labels."""
    seen, room = tracked
    state = shown(seen, room.now_ns)
    known = msgspec.structs.replace(state.health, disk_free_bytes=1, resident_bytes=1)
    state = msgspec.structs.replace(state, health=known)
    served: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(render([state]).decode()):
        served.setdefault(family.name, set())
        if family.type == "counter":
            served.setdefault(f"{family.name}_total", set())
        for sample in family.samples:
            served.setdefault(sample.name, set()).update(sample.labels)
    return served


def board() -> dict[str, Any]:
    return json.loads((FOLDER / "grafana.json").read_text("utf-8"))


def queries() -> list[tuple[str, str, str]]:
    return [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in board()["panels"]
        for target in panel.get("targets", [])
    ]


def test_every_query_asks_for_what_is_served(labels_served: dict[str, set[str]]) -> None:
    labels_served.setdefault("tidetrack_fault", set()).update({"fault", "reaction"})
    for title, query, legend in queries():
        names = re.findall(r"\btidetrack_\w+", query)
        assert names, title
        for name in names:
            assert name in labels_served, f"{title}: {name}"
        asked = set(re.findall(r"\{\{(\w+)\}\}", legend))
        asked |= set(re.findall(r"(\w+)=\"", query))
        assert asked <= set().union(*(labels_served[name] for name in names)), title


def test_every_metric_is_on_the_board(labels_served: dict[str, set[str]]) -> None:
    asked = {name for _, query, _ in queries() for name in re.findall(r"\btidetrack_\w+", query)}
    families = {name.removesuffix("_total") for name in labels_served}
    assert families == {name.removesuffix("_total") for name in asked}


def test_the_panels_of_the_board_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    ids: set[int] = set()
    for panel in board()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not own & cells, panel["title"]
        cells |= own
        ids.add(panel["id"])
    assert len(ids) == len(board()["panels"])


def layout() -> dict[str, Any]:
    return json.loads((FOLDER / "foxglove.json").read_text("utf-8"))


def paths_in(value: Any) -> Iterator[str]:
    """Yield every message path of a layout."""
    if isinstance(value, dict):
        for key, inner in cast(dict[str, Any], value).items():
            if key in ("value", "topicPath") and isinstance(inner, str):
                yield inner
            else:
                yield from paths_in(inner)
    elif isinstance(value, list):
        for inner in cast(list[Any], value):
            yield from paths_in(inner)


def test_every_path_of_the_layout_is_a_field_of_a_record() -> None:
    topics = {content.topic: content.type for content in CONTENTS}
    found = list(paths_in(layout()["configById"]))
    assert len(found) > 10
    for path in found:
        topic, _, field = path.partition(".")
        assert topic in topics, path
        name = re.sub(r"\[\d+\]$", "", field)
        assert not name or name in topics[topic].__struct_fields__, path


def test_every_panel_of_the_layout_has_its_settings_and_its_place() -> None:
    def placed(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            yield from placed(node["first"])
            yield from placed(node["second"])

    assert sorted(placed(layout()["layout"])) == sorted(layout()["configById"])
