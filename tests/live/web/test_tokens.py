"""Who may log in: files, tokens, the command; logins and the throttle on a clock of the test's."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.live.web.feeder import published
from tracker.api.schema import Role
from tracker.api.tokens import TokenError, new_token, people, revoke_token, whose
from tracker.cli import main
from tracker.live.web.logins import MOST_LOGINS, TRIES_OF_ALL, TRIES_OF_ONE, Logins, Throttle

NOW = datetime.datetime(2026, 3, 1, 8, 0, tzinfo=datetime.UTC)


def test_a_token_is_its_persons_until_it_expires(tmp_path: Path) -> None:
    token = new_token(tmp_path, "anna", Role.OPERATOR, 30, NOW)
    other = new_token(tmp_path, "paul", Role.PHYSICIST, 30, NOW)
    known = people(tmp_path).by_name
    anna = whose(token, known, NOW)
    assert anna is not None
    assert (anna.name, anna.role) == ("anna", Role.OPERATOR)
    day = datetime.timedelta(days=1)
    assert whose(token, known, NOW + 29 * day) is not None
    assert whose(token, known, NOW + 30 * day) is None
    swapped = f"anna.{other.partition('.')[2]}"
    for wrong in (swapped, token + "x", token[:-1], "anna.", "anna", ".", "", "\udcff.x"):
        assert whose(wrong, known, NOW) is None


def test_nothing_on_disk_is_the_token(tmp_path: Path) -> None:
    token = new_token(tmp_path, "anna", Role.OPERATOR, 30)
    secret = token.partition(".")[2]
    assert len(secret) >= 43
    file = tmp_path / "anna.json"
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "Anna", "../anna", "a/b", "a.b", "x" * 41, "a\n"])
def test_a_name_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TokenError, match="small letter"):
        new_token(tmp_path, name, Role.OPERATOR, 30)
    with pytest.raises(TokenError, match="known are none"):
        revoke_token(tmp_path, name)


def test_files_that_are_not_right_let_nobody_in_and_are_named(tmp_path: Path) -> None:
    new_token(tmp_path, "anna", Role.OPERATOR, 30)
    good = (tmp_path / "anna.json").read_text()
    (tmp_path / "eve.json").write_text(good)
    (tmp_path / "bob.json").write_text("{")
    (tmp_path / "joe.json").write_text(good.replace("anna", "joe").replace("operator", "king"))
    (tmp_path / "zoe.json").write_text(good.replace("anna", "zoe"))
    (tmp_path / "zoe.json").chmod(0o666)
    found = people(tmp_path)
    assert list(found.by_name) == ["anna"]
    assert len(found.problems) == 4


def test_the_command_lets_in_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--folder", str(tmp_path / "tokens")]
    assert main(["tokens", "new", "anna", "--role", "operator", *place]) == 0
    token = capsys.readouterr().out.strip()
    known = people(tmp_path / "tokens").by_name
    assert whose(token, known, datetime.datetime.now(datetime.UTC)) is not None
    assert main(["tokens", "new", "anna", "--role", "operator", *place]) == 2
    assert "revoke anna" in capsys.readouterr().err
    assert main(["tokens", "list", *place]) == 0
    assert "anna                    operator" in capsys.readouterr().out
    assert main(["tokens", "revoke", "anna", *place]) == 0
    assert main(["tokens", "revoke", "anna", *place]) == 2
    assert main(["tokens", "new", "ben", "--role", "king", *place]) == 2


def test_a_login_ends_by_time_by_hand_and_with_its_token(tmp_path: Path) -> None:
    new_token(tmp_path, "anna", Role.OPERATOR, 30)
    known = people(tmp_path).by_name
    logins = Logins(1.0)
    ended: list[str] = []
    for name in ("time", "hand", "token"):
        cookie, login = logins.open(known["anna"], 0.0)
        login.closed.append(lambda name=name: ended.append(name))
        assert logins.find(cookie, 3599.0) is login
        if name == "time":
            assert logins.find(cookie, 3600.0) is None
        elif name == "hand":
            logins.close(cookie)
        else:
            logins.sweep(known, 10.0)
            assert logins.find(cookie, 10.0) is login
            logins.sweep({}, 10.0)
        assert logins.find(cookie, 0.0) is None
    assert ended == ["time", "hand", "token"]


def test_too_many_logins_end_the_oldest(tmp_path: Path) -> None:
    new_token(tmp_path, "anna", Role.OPERATOR, 30)
    anna = people(tmp_path).by_name["anna"]
    logins = Logins(1.0)
    cookies = [logins.open(anna, 0.0)[0] for _ in range(MOST_LOGINS + 1)]
    assert len(set(cookies)) == len(cookies)
    assert logins.find(cookies[0], 0.0) is None
    assert logins.find(cookies[1], 0.0) is not None


def test_wrong_tries_of_one_and_of_all_make_wait() -> None:
    throttle = Throttle()
    for number in range(TRIES_OF_ONE):
        assert throttle.wait_s("here", float(number)) == 0.0
        throttle.failed("here", float(number))
    assert throttle.wait_s("here", 5.0) == pytest.approx(55.0)
    assert throttle.wait_s("there", 5.0) == 0.0
    assert throttle.wait_s("here", 60.0) == 0.0
    for number in range(TRIES_OF_ALL):
        throttle.failed(f"host {number}", 60.0)
    assert throttle.wait_s("there", 61.0) > 0.0
    assert throttle.wait_s("there", 121.0) == 0.0


def test_the_feeder_is_a_real_session() -> None:
    sessions = {getattr(record, "session", "") for record in published()}
    assert {"MODELLING", "READY", "TRACKING"} <= sessions
