"""One recording in many exports: the same samples from each, and a question where it is unclear."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sim.recording import load_recording
from tests.importing import export_variants as exports
from tests.importing.export_variants import UNCLEAR, VARIANTS
from tracker.cli import main


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_the_same_samples(name, tmp_path, capsys):
    variant = VARIANTS[name]
    path = exports.write(variant, tmp_path)
    out = tmp_path / "out"
    code = main(["import", str(path), "--out", str(out), "--yes", *variant.options])
    said = capsys.readouterr()
    assert code == 0, said.err
    (written,) = [p for p in out.glob("*.csv") if not variant.part or variant.part in p.name]
    recording = load_recording(written)
    assert np.abs(recording.times_s - exports.times_s).max() <= 1e-3
    for channel, wanted in variant.channels.items():
        values = recording.values[:, recording.channels.index(channel)]
        expected = np.array(exports.blanked(wanted) if variant.blank else wanted)
        assert np.array_equal(np.isnan(values), np.isnan(expected)), channel
        assert np.nanmax(np.abs(values - expected)) <= 1e-6, channel
    about = json.loads(written.with_suffix(".json").read_text())
    assert about["source"]["file"] == path.name
    assert {each["channel"] for each in about["channels"]} == set(recording.channels)


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_unclear_is_refused_with_the_question(name, tmp_path, capsys):
    content, word = UNCLEAR[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content())
    assert main(["import", str(path), "--out", str(tmp_path / "out"), "--yes"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines
    assert all(line.startswith(str(path)) for line in lines)
    assert word in " ".join(lines)
    assert not (tmp_path / "out").exists()


def test_there_are_forty_variants():
    assert len(VARIANTS) >= 40
