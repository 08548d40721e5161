from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from gpucloud.errors import ConfigError, NotFound, UsageError
from gpucloud.journal import Journal, is_live, read, standing, status_of

HEADER = {"run": "r1", "name": "box", "cloud": "aws", "region": "us-east-1", "spec": {}}


def test_an_intent_is_on_the_disk_before_the_call(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "r1.ndjson", HEADER) as journal:
        journal.intent("instance", "gpucloud-r1-instance")
        lines = (tmp_path / "r1.ndjson").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["opened", "intent"]


def test_another_process_sees_what_was_begun_and_what_it_recorded(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    with Journal.create(path, HEADER) as journal:
        journal.intent("group", "g")
        journal.done("group", {"group": "sg-1"})
        journal.intent("instance", "i")
    with Journal.open(path) as again:
        assert again.header["name"] == "box"
        assert again.intents() == ["group", "instance"]
        assert again.facts_of("group") == {"group": "sg-1"}
        assert again.facts_of("instance") is None
        assert again.status == "open"


def test_an_undone_step_is_forgotten_until_it_is_begun_again(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "r1.ndjson", HEADER) as journal:
        journal.intent("group", "g")
        journal.done("group", {"group": "sg-1"})
        journal.undone("group")
        assert (journal.intents(), journal.facts_of("group")) == ([], None)
        journal.intent("group", "g")
        assert (journal.intents(), journal.facts_of("group")) == (["group"], None)


def test_a_journal_is_live_while_somebody_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    journal = Journal.create(path, HEADER)
    assert is_live(path)
    with pytest.raises(UsageError, match="still going on"):
        Journal.open(path)
    journal.close()
    journal.close()
    assert not is_live(path)


def test_a_run_id_is_used_once(tmp_path: Path) -> None:
    Journal.create(tmp_path / "r1.ndjson", HEADER).close()
    with pytest.raises(UsageError, match="exists already"):
        Journal.create(tmp_path / "r1.ndjson", HEADER)


def test_an_unknown_run_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Journal.open(tmp_path / "nope.ndjson")


def test_a_line_cut_short_by_a_crash_never_happened(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    Journal.create(path, HEADER).close()
    with path.open("ab") as file:
        file.write(b'{"event": "inte')
    assert [entry["event"] for entry in read(path)] == ["opened"]
    with Journal.open(path) as journal:
        journal.committed()
    assert [entry["event"] for entry in read(path)] == ["opened", "committed"]


def test_other_damage_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    path.write_bytes(b"rubbish\n")
    with pytest.raises(ConfigError, match=r"r1\.ndjson cannot be read"):
        read(path)


def test_a_journal_of_another_version_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    path.write_text(json.dumps({"event": "opened", "version": 99, **HEADER}) + "\n")
    with pytest.raises(ConfigError, match="another version"):
        read(path)
    assert list(standing([path])) == []


def test_a_full_disk_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    with Journal.create(tmp_path / "r1.ndjson", HEADER) as journal:
        monkeypatch.setattr("gpucloud.journal.os.write", lambda fd, data: real_write(fd, data[:7]))
        with pytest.raises(OSError, match="No space left"):
            journal.intent("group", "g")
        monkeypatch.undo()
        journal.intent("instance", "i")
        assert journal.intents() == ["instance"]
    assert [entry["event"] for entry in read(tmp_path / "r1.ndjson")] == ["opened", "intent"]


def test_somebody_who_merely_looks_does_not_keep_a_journal_from_being_opened(tmp_path: Path) -> None:
    path = tmp_path / "r1.ndjson"
    Journal.create(path, HEADER).close()
    looker = os.open(path, os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    threading.Timer(0.2, os.close, [looker]).start()
    with Journal.open(path) as journal:
        assert journal.status == "open"


@pytest.mark.parametrize("end", ["committed", "rolled_back", "removed"])
def test_status_is_the_last_end(tmp_path: Path, end: str) -> None:
    with Journal.create(tmp_path / "r1.ndjson", HEADER) as journal:
        getattr(journal, end)()
        assert status_of(journal.entries) == end


def test_a_journal_is_private(tmp_path: Path) -> None:
    Journal.create(tmp_path / "r1.ndjson", HEADER).close()
    assert (tmp_path / "r1.ndjson").stat().st_mode & 0o777 == 0o600
