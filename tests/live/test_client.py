"""The client and its commands against a service, and a daemon that is asked by one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hal.clock import HostClock
from hal.events import Request
from tests.live.service_stand import ROLES, ServiceStand, configured
from tests.live.test_daemon import FakeDevice
from tracker import client as client_module
from tracker.api.keys import client_key, new_key, server_key
from tracker.api.schema import Answer, Role, Said, State
from tracker.cli import main
from tracker.client import AsyncClient, Client, ClientError
from tracker.core.session import SessionState
from tracker.core.types import Notice, SessionChanged
from tracker.journal import JournalWriter, make_header, read_journal
from tracker.live.daemon import Daemon
from tracker.live.devices.device import HandOver
from tracker.live.operators import Nobody
from tracker.live.ready_file import ReadyFile
from tracker.live.service.service import RequestService, new_run_id
from tracker.offline.replay import engine_from_configuration, replay

pytestmark = pytest.mark.realtime


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[ServiceStand]:
    with ServiceStand(tmp_path) as stand:
        yield stand


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_S", 0.4)


def test_hello_tells_the_run_and_the_keys_roles(stand: ServiceStand) -> None:
    with stand.client("petra") as client:
        welcome = client.hello()
    assert welcome.run_id == stand.run_id
    assert welcome.roles == (Role.PHYSICIST,)


def test_asking_says_who_and_takes_a_role_that_may(stand: ServiceStand) -> None:
    with stand.client("petra") as client:
        assert client.ask("model", who="Petra Berg") == _yes(stand, "MODELLING")
        refused = client.ask("start")
        assert not refused.accepted
        assert "not possible while MODELLING" in refused.reason
        assert not client.ask("end").accepted
    assert stand.asked[0].who == "Petra Berg (physicist, key petra)"


def _yes(stand: ServiceStand, state: str) -> Answer:
    return Answer(request_id=stand.asked[-1].request_id, accepted=True, state=state)


def test_published_brings_states_and_lines(stand: ServiceStand) -> None:
    with stand.client("olga") as client:
        kinds: set[type] = set()
        for record in client.published(silence_s=30.0):
            kinds.add(type(record))
            if State in kinds and Said not in kinds:
                stand.do(lambda: stand.shown.say(0, "info", "a line"))
            if kinds == {State, Said}:
                break
        lines = client.published("log", silence_s=0.3)
        with pytest.raises(ClientError, match=r"silent for 0\.3 s"):
            next(lines)


def test_states_skips_what_a_slow_reader_missed(stand: ServiceStand) -> None:
    with stand.client("olga") as client:
        states = client.states(silence_s=30.0)
        first = next(states)
        until = time.monotonic() + 60.0
        while stand.shown._sequence < first.sequence + 10:
            assert time.monotonic() < until
            time.sleep(0.01)
        newest = stand.shown._sequence
        assert next(states).sequence >= newest - 1, "it may be on its way"


def test_a_key_that_is_not_known_there_is_told_so(stand: ServiceStand, impatient: None) -> None:
    other = stand.folder.parent / "other"
    key = client_key(new_key(other, "zoe", [Role.PHYSICIST]))
    key = msgspec.structs.replace(key, server=server_key(stand.folder).public)
    with Client(stand.at, key) as client, pytest.raises(ClientError, match="zoe is not known"):
        client.hello()


def test_a_key_made_for_another_daemon_hears_nothing(stand: ServiceStand, impatient: None) -> None:
    key = client_key(new_key(stand.folder.parent / "other", "zoe", [Role.PHYSICIST]))
    with Client(stand.at, key) as client, pytest.raises(ClientError, match="no answer within"):
        client.hello()


def test_nobody_there_is_no_answer(tmp_path: Path, impatient: None) -> None:
    path = new_key(tmp_path, "zoe", [Role.PHYSICIST])
    with Client("tcp://127.0.0.1:9", path) as client, pytest.raises(ClientError, match="no answer"):
        client.ask("hold")
    with pytest.raises(ClientError, match="write tcp://host:port"):
        Client("nonsense", path)
    with pytest.raises(ClientError, match="write tcp://host:port"):
        asyncio.run(_connected("nonsense", path))


async def _connected(address: str, path: Path) -> None:
    async with AsyncClient(address, path):
        pass


def test_the_async_client_does_the_same(stand: ServiceStand, impatient: None) -> None:
    async def talk() -> list[Answer]:
        async with AsyncClient(stand.at, stand.keys["oscar"]) as client:
            assert (await client.hello()).run_id == stand.run_id
            states = client.published("state", silence_s=30.0)
            assert isinstance(await anext(states), State)
            await states.aclose()
            lines = client.published("log", silence_s=0.2)
            with pytest.raises(ClientError, match="silent"):
                await anext(lines)
            return await asyncio.gather(*(client.ask("status") for _ in range(5)))

    answers = asyncio.run(talk())
    assert all(answer.accepted for answer in answers)
    assert len({answer.request_id for answer in answers}) == 5


def test_the_async_client_is_told_too(stand: ServiceStand, impatient: None) -> None:
    async def talk() -> None:
        key = client_key(new_key(stand.folder.parent / "other", "zoe", [Role.PHYSICIST]))
        key = msgspec.structs.replace(key, server=server_key(stand.folder).public)
        async with AsyncClient(stand.at, key) as client:
            with pytest.raises(ClientError, match="zoe is not known"):
                await client.ask("hold")

    asyncio.run(talk())


# --- commands -------------------------------------------------------------------------------------


def keyed(stand: ServiceStand, name: str, *more: str) -> list[str]:
    return ["--key", str(stand.folder / f"{name}.key"), "--at", stand.at, *more]


def test_ctl_asks_and_exits_by_the_answer(
    stand: ServiceStand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ctl", "model", *keyed(stand, "oscar", "--who", "Oscar")]) == 0
    assert capsys.readouterr().out == "model: accepted (MODELLING)\n"
    assert main(["ctl", "start", *keyed(stand, "oscar")]) == 1
    assert "start: refused: start is not possible" in capsys.readouterr().out
    assert main(["ctl", "reset", *keyed(stand, "oscar", "--json")]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["reason"] == "the role operator may not ask for reset"
    assert main(["ctl", "stop", *keyed(stand, "console", "--role", "physicist")]) == 0
    assert stand.engine.state is SessionState.STOPPED


def test_ctl_without_a_daemon_is_one_line(
    tmp_path: Path, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = new_key(tmp_path, "zoe", [Role.PHYSICIST])
    for command in (["ctl", "hold"], ["status"]):
        assert main([*command, "--key", str(path), "--at", "tcp://127.0.0.1:9"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_status_shows_a_state(stand: ServiceStand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.put(SessionState.READY)
    assert main(["status", *keyed(stand, "olga")]) == 0
    shown = capsys.readouterr().out
    assert "READY" in shown
    assert "camera" in shown
    assert main(["status", *keyed(stand, "olga", "--json")]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == stand.run_id


def test_status_says_where_the_page_is(
    stand: ServiceStand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *keyed(stand, "olga")]) == 0
    assert "not served by this run" in capsys.readouterr().out
    assert stand.service is not None
    stand.service.page_is_at("http://127.0.0.1:8443")
    with ReadyFile(tmp_path / "ready.json", "run") as ready:
        ready.add(requests=stand.at)
        there = ["--key", str(stand.folder / "olga.key"), "--ready-file", str(ready.path)]
        with stand.client("olga") as client:  # the next state but one has it for certain
            states = client.states(silence_s=30.0)
            while not next(states).page:
                pass
        assert main(["status", *there]) == 0
        assert "http://127.0.0.1:8443" in capsys.readouterr().out
        assert main(["ctl", "status", *there]) == 0
        ready.add(requests="")
        assert main(["status", *there]) == 2
        assert "takes no requests" in capsys.readouterr().err
    assert main(["status", *there]) == 2
    assert "see whether the program runs" in capsys.readouterr().err


# --- a daemon that is asked -----------------------------------------------------------------------


def test_a_daemon_obeys_records_and_can_be_replayed(tmp_path: Path) -> None:
    """Requests over the sockets of a running daemon are in its journal, refused ones too."""
    configuration = configured(tmp_path)
    key = new_key(tmp_path / "keys", "oscar", [Role.OPERATOR])
    path, said = tmp_path / "live.mcap", list[str]()
    clock = HostClock()

    def make(role: str, hand_over: HandOver) -> FakeDevice:
        return FakeDevice(ROLES[role], hand_over)

    async def together(daemon: Daemon, at: str) -> list[Answer]:
        running = asyncio.create_task(daemon.run(20.0))
        async with AsyncClient(at, key) as client:
            names = ("model", "start", "reset", "stop", "resume")
            answers = [await client.ask(name, who="Oscar") for name in names]
        daemon.end()
        await running
        return answers

    with (
        RequestService(configuration, new_run_id(), ROLES, clock, said.append) as service,
        JournalWriter(path, make_header(configuration.text), durability="process") as journal,
    ):
        daemon = Daemon(
            configuration,
            journal,
            clock,
            ROLES,
            make,
            Nobody(),
            said.append,
            after_tick=(service.on_tick_end,),
            onlookers=(service.observe,),
        )
        service.serve(daemon.request, daemon.end, daemon.blocking)
        answers = asyncio.run(together(daemon, service.requests_at))
    assert [answer.accepted for answer in answers] == [True, False, False, True, False]
    records = [entry.record for entry in read_journal(path).entries()]
    requests = [r for r in records if isinstance(r, Request) and r.who != "system"]
    assert [r.name for r in requests] == ["model", "start", "stop", "resume"], "not reset"
    assert {r.who for r in requests} == {"Oscar (operator, key oscar)"}
    assert [r.request_id for r in requests if r.name == "model"] == [answers[0].request_id]
    notices = [r.text for r in records if isinstance(r, Notice) and r.level == "warning"]
    assert answers[1].reason in notices
    states = [r.after for r in records if isinstance(r, SessionChanged)]
    assert states == ["MODELLING", "STOPPED"]
    assert any("the role operator may not ask for reset" in line for line in said)
    journal_read = read_journal(path)
    engine = engine_from_configuration(journal_read.header.configuration)
    assert replay(journal_read, engine).differing == 0


def test_two_daemons_cannot_have_one_address(tmp_path: Path) -> None:
    from tracker.config import ConfigurationError

    with ServiceStand(tmp_path) as stand:
        taken = configured(tmp_path / "b", requests=stand.at)
        with pytest.raises(ConfigurationError, match=r"service\.requests: tcp://.*choose another"):
            RequestService(taken, new_run_id(), ROLES, stand.clock, stand.said.append)
