"""Releases: version and changelog are cut, committed and tagged; what is wrong is refused."""

from __future__ import annotations

import datetime
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.release import (
    Release,
    ReleaseError,
    check_checkout,
    cut_release,
    plan_release,
)

REPOSITORY = Path(__file__).parent.parent
DAY = datetime.date(2026, 12, 1)
PYPROJECT = '[project]\nname = "tidetrack"\nversion = "0.1.0"\n'
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-01

- The first one.
"""


def plan(version: str = "0.2.0", changelog: str = CHANGELOG) -> Release:
    return plan_release(PYPROJECT, changelog, version, DAY)


def test_a_release_has_the_version_and_the_section_cut() -> None:
    release = plan()
    assert tomllib.loads(release.pyproject)["project"]["version"] == "0.2.0"
    assert release.notes == "### Added\n\n- A thing."
    assert release.changelog == CHANGELOG.replace(
        "## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n"
    )


def test_the_first_release_may_be_the_present_version() -> None:
    assert plan("0.1.0").pyproject == PYPROJECT


def test_a_changelog_with_nothing_released_is_cut_to_its_end() -> None:
    release = plan(changelog="# Changelog\n\n## [Unreleased]\n\n- A thing.\n")
    assert release.changelog.endswith("## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n- A thing.\n")


@pytest.mark.parametrize(
    ("version", "changelog", "says"),
    [
        ("0.2", CHANGELOG, "0.2 is no version; give three numbers"),
        ("0.0.9", CHANGELOG, "0.0.9 is older than 0.1.0"),
        ("0.2.0", CHANGELOG.replace("### Added\n\n- A thing.\n", ""), "nothing under .Unreleased"),
        ("0.2.0", "# Changelog\n", "nothing under .Unreleased"),
    ],
)
def test_a_wrong_release_is_refused(version: str, changelog: str, says: str) -> None:
    with pytest.raises(ReleaseError, match=says):
        plan(version, changelog)


def test_the_checkouts_own_files_can_be_released() -> None:
    pyproject = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    if "## [Unreleased]\n\n## [" in changelog:
        pytest.skip("nothing is unreleased: this commit is a release")
    release = plan_release(pyproject, changelog, "99.0.0", DAY)
    assert tomllib.loads(release.pyproject)["project"]["version"] == "99.0.0"


# --- commit and tag -----------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the two files in one commit."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A Developer")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "developer@example.org")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=30
    ).stdout


def test_a_cut_commits_both_files_and_tags_the_commit(checkout: Path) -> None:
    check_checkout(checkout, "v0.2.0", is_cut=True)
    cut_release(plan(), checkout)
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "describe", "--exact-match").strip() == "v0.2.0"
    message = git(checkout, "tag", "--list", "--format=%(contents)", "v0.2.0").strip()
    assert message == "tidetrack 0.2.0\n\n### Added\n\n- A thing."
    assert 'version = "0.2.0"' in git(checkout, "show", "HEAD:pyproject.toml")
    with pytest.raises(ReleaseError, match=r"the tag v0\.2\.0 exists"):
        check_checkout(checkout, "v0.2.0", is_cut=False)


def test_a_cut_does_not_mix_with_other_changes(checkout: Path) -> None:
    (checkout / "new.txt").write_text("not committed")
    check_checkout(checkout, "v0.2.0", is_cut=False)
    with pytest.raises(ReleaseError, match="changes that are not committed"):
        check_checkout(checkout, "v0.2.0", is_cut=True)
