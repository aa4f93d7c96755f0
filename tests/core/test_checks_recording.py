"""The check of journal and monitor: it takes over what they told."""

from tests.core.situations import COUCH, WELL, found, reports
from tracker.core.safety.checks.recording import RecordingCheck


def test_what_journal_and_monitor_told_is_a_fault_as_long_as_it_lasts():
    check = RecordingCheck(COUCH)
    assert found(check, reports(not_recorded="disk full")) == {"not recording": "disk full"}
    assert found(check, reports(no_monitor="it ended")) == {"monitor lost": "it ended"}
    assert found(check, WELL) == {}
