"""Keys: files that only their owner reads, who is known, and what is said of wrong use."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tracker.api.keys import (
    KeysError,
    client_key,
    known_keys,
    new_key,
    revoke_key,
    server_key,
)
from tracker.api.schema import Role
from tracker.cli import main


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    path = new_key(folder, "anna", [Role.OPERATOR])
    assert mode(path) == mode(folder / "server.key") == 0o600
    assert mode(folder) == 0o700
    known = (folder / "known" / "anna.json").read_text()
    key = client_key(path)
    assert key.secret not in known
    assert key.public in known
    assert key.server == server_key(folder).public
    assert server_key(folder).secret not in path.read_text()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = new_key(tmp_path, "anna", [Role.OPERATOR])
    for bits in (0o640, 0o604, 0o620):
        path.chmod(bits)
        with pytest.raises(KeysError, match="chmod 600"):
            client_key(path)
    (tmp_path / "server.key").chmod(0o644)
    with pytest.raises(KeysError, match="others may read it"):
        server_key(tmp_path)


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path, "anna", [Role.OPERATOR])
    (tmp_path / "known").chmod(0o777)
    with pytest.raises(KeysError, match="others may write there"):
        server_key(tmp_path)
    (tmp_path / "known").chmod(0o755)
    tmp_path.chmod(0o770)
    with pytest.raises(KeysError, match="others may write there"):
        new_key(tmp_path, "ben", [Role.OPERATOR])


def test_the_servers_key_is_made_once(tmp_path: Path) -> None:
    first = server_key(tmp_path / "keys")
    assert server_key(tmp_path / "keys") == first
    assert known_keys(tmp_path / "keys").keys == {}, "which lets nobody in"


def test_roles_are_kept_in_order_and_a_key_needs_one(tmp_path: Path) -> None:
    path = new_key(tmp_path, "pia", [Role.PHYSICIST, Role.OBSERVER, Role.PHYSICIST])
    assert client_key(path).roles == (Role.OBSERVER, Role.PHYSICIST)
    with pytest.raises(KeysError, match="has no role"):
        new_key(tmp_path, "ben", [])
    assert not (tmp_path / "ben.key").exists()


@pytest.mark.parametrize("name", ["", "Anna", "../anna", "a b", "a/b", "1a", "a" * 41, "ä"])
def test_a_name_is_a_plain_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="small letter"):
        new_key(tmp_path, name, [Role.OBSERVER])


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = new_key(tmp_path, "anna", [Role.OPERATOR])
    before = path.read_bytes()
    with pytest.raises(KeysError, match="exists already"):
        new_key(tmp_path, "anna", [Role.OBSERVER])
    with pytest.raises(KeysError, match="exists already"):
        new_key(tmp_path, "ben", [Role.OBSERVER], out=path)
    assert path.read_bytes() == before
    assert [key.name for key in known_keys(tmp_path).keys.values()] == ["anna"]


def test_a_revoked_key_is_nobody(tmp_path: Path) -> None:
    new_key(tmp_path, "anna", [Role.OPERATOR])
    revoke_key(tmp_path, "anna")
    assert known_keys(tmp_path).keys == {}
    for name in ("anna", "../known/anna"):
        with pytest.raises(KeysError, match="is not known"):
            revoke_key(tmp_path, name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("operator", "god"),
        lambda text: text.replace('"anna"', '"ben"'),
        lambda text: text.replace('"roles"', '"more": 1, "roles"'),
        lambda text: json.dumps(json.loads(text) | {"roles": []}),
        lambda text: json.dumps(json.loads(text) | {"public": "short"}),
    ],
)
def test_a_file_that_is_not_right_lets_nobody_in_and_is_named(tmp_path: Path, spoil) -> None:
    new_key(tmp_path, "anna", [Role.OPERATOR])
    new_key(tmp_path, "ben", [Role.OBSERVER])
    file = tmp_path / "known" / "anna.json"
    file.write_text(spoil(file.read_text()))
    known = known_keys(tmp_path)
    assert [key.name for key in known.keys.values()] == ["ben"]
    (problem,) = known.problems
    assert str(file) in problem


@pytest.mark.parametrize("content", [b"\xc9", b'{"name": "\xff"}', b"[" * 100_000])
def test_bytes_that_are_no_text_let_nobody_in(tmp_path: Path, content: bytes) -> None:
    """The daemon reads the known keys each second; such a file must not end the run."""
    new_key(tmp_path, "anna", [Role.OPERATOR])
    (tmp_path / "known" / "ben.json").write_bytes(content)
    known = known_keys(tmp_path)
    assert [key.name for key in known.keys.values()] == ["anna"]
    (problem,) = known.problems
    assert "ben.json" in problem


def test_one_key_under_two_names_is_one(tmp_path: Path) -> None:
    new_key(tmp_path, "anna", [Role.OBSERVER])
    text = (tmp_path / "known" / "anna.json").read_text()
    other = text.replace('"anna"', '"zoe"').replace("observer", "physicist")
    (tmp_path / "known" / "zoe.json").write_text(other)
    known = known_keys(tmp_path)
    assert [key.roles for key in known.keys.values()] == [(Role.OBSERVER,)]
    assert "twice" in known.problems[0]


def test_a_known_file_that_others_may_write_lets_nobody_in(tmp_path: Path) -> None:
    new_key(tmp_path, "anna", [Role.OPERATOR])
    (tmp_path / "known" / "anna.json").chmod(0o666)
    known = known_keys(tmp_path)
    assert known.keys == {}
    assert "others may write" in known.problems[0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path / "keys")]
    out = tmp_path / "elsewhere.key"
    assert main(["keys", "new", "anna", "--role", "operator", *folder]) == 0
    assert main(["keys", "new", "ben", "--role", "observer", "--out", str(out), *folder]) == 0
    assert client_key(out).name == "ben"
    capsys.readouterr()
    assert main(["keys", "list", *folder]) == 0
    shown = capsys.readouterr().out
    assert "anna" in shown
    assert "operator" in shown
    assert main(["keys", "revoke", "anna", *folder]) == 0
    (tmp_path / "keys" / "known" / "ben.json").write_text("{")
    assert main(["keys", "list", *folder]) == 1
    assert "lets nobody in" in capsys.readouterr().out


def test_a_public_key_that_reads_as_markup_is_listed_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path, "anna", [Role.OPERATOR])
    file = tmp_path / "known" / "anna.json"
    content = json.loads(file.read_text())
    content["public"] = "[/).]" + content["public"][5:]
    file.write_text(json.dumps(content))
    assert main(["keys", "list", "--folder", str(tmp_path)]) == 0
    assert "[/).]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ["keys"],
        ["keys", "burn"],
        ["keys", "new"],
        ["keys", "new", "anna"],
        ["keys", "new", "anna", "--role", "god"],
        ["keys", "revoke", "nobody"],
        ["ctl", "hold", "--key", "nowhere.key"],
        ["ctl", "beam-on", "--key", "nowhere.key"],
        ["status", "--key", "nowhere.key"],
        ["status"],
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--folder", str(tmp_path)] if wrong[0] == "keys" else []
    assert main([*wrong, *folder]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
