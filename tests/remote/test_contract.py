"""The contract of `Remote`, on both implementations: a real OpenSSH server, and this machine."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpucloud.errors import GpucloudError, NotFound
from gpucloud.remote.base import Remote, RemoteCommandFailed, RemoteTimeout, check
from gpucloud.remote.local import LocalRemote
from gpucloud.waiting import Waiter

from .conftest import Sshd

MIB = 1 << 20


@pytest.fixture(params=["ssh", "local"])
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    made: Remote
    if request.param == "ssh":
        from gpucloud.remote.ssh import connect

        sshd: Sshd = request.getfixturevalue("sshd")
        made = connect("127.0.0.1", sshd.user, sshd.port, sshd.key_path, sshd.host_key)
    else:
        made = LocalRemote()
    yield made
    made.close()
    made.close()


def test_exit_code_is_a_value_and_streams_are_apart(remote: Remote) -> None:
    result = remote.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout=10)
    assert (result.rc, result.stdout, result.stderr) == (7, b"out\n", b"err\n")


def test_check_raises_with_the_last_lines_of_stderr(remote: Remote) -> None:
    with pytest.raises(RemoteCommandFailed, match="ended with code 3: why not"):
        check(remote.run(["sh", "-c", "echo why not >&2; exit 3"], timeout=10))


@pytest.mark.parametrize(
    "argument",
    [
        "$(touch /x)",
        "`id`",
        "it's",
        'say "hi"',
        "two\nlines",
        "naïve ☃",
        "--help",
        "-n",
        "",
        " ",
        "a;b|c&d>e",
        "*",
        "\\n",
        "!1",
    ],
)
def test_hostile_arguments_arrive_unchanged(remote: Remote, argument: str) -> None:
    result = remote.run(["printf", "%s|", argument, "end"], timeout=10)
    assert result.stdout.decode() == f"{argument}|end|"


def test_a_missing_command_is_a_value(remote: Remote) -> None:
    assert remote.run(["-no-such-command"], timeout=10).rc == 127


def test_ten_megabytes_on_both_streams_at_once(remote: Remote) -> None:
    script = "head -c 10485760 /dev/zero & head -c 10485760 /dev/zero >&2; wait"
    result = remote.run(["sh", "-c", script], timeout=60)
    assert (len(result.stdout), len(result.stderr)) == (10 * MIB, 10 * MIB)


def test_five_megabytes_of_stdin_while_reading(remote: Remote) -> None:
    data = bytes(range(256)) * (5 * MIB // 256)
    assert remote.run(["cat"], stdin=data, timeout=60).stdout == data


def test_a_command_that_does_not_read_its_stdin_ends(remote: Remote) -> None:
    assert remote.run(["true"], stdin=b"x" * 5 * MIB, timeout=30).rc == 0


def test_lines_arrive_while_the_command_runs(remote: Remote, tmp_path: Path) -> None:
    """The command waits for a file that is only made once its first line was seen."""
    seen: list[str] = []

    def on_line(line: str) -> None:
        seen.append(line)
        (tmp_path / "go").touch()

    script = 'printf "first ☃\\n"; until [ -e "$1/go" ]; do sleep 0.02; done; printf last'
    result = remote.run(["sh", "-c", script, "sh", str(tmp_path)], timeout=10, on_line=on_line)
    assert seen == ["first ☃", "last"]
    assert result.stdout.decode() == "first ☃\nlast"


def test_a_death_by_signal_is_128_plus_its_number(remote: Remote) -> None:
    assert remote.run(["sh", "-c", "kill -KILL $$"], timeout=10).rc == 137
    assert remote.run(["sh", "-c", "kill -TERM $$"], timeout=10).rc == 143


@pytest.mark.parametrize("script", ["sleep 321.5", "trap '' INT; sleep 321.5 & wait"])
def test_a_command_over_its_time_limit_is_ended(remote: Remote, script: str) -> None:
    started = time.monotonic()
    with pytest.raises(RemoteTimeout, match="did not end within 0.5 s"):
        remote.run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - started < 3
    gone = Waiter(first=0.02).until(lambda: not running(remote, "sleep 321.5"), timeout=3)
    assert gone


def running(remote: Remote, command: str) -> bool:
    listing = check(remote.run(["ps", "-eo", "args"], timeout=10)).stdout.decode()
    return command in listing.splitlines()


def test_an_error_of_the_listener_ends_the_command(remote: Remote) -> None:
    def refuse(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="one"):
        remote.run(["sh", "-c", "echo one; sleep 0.1"], timeout=10, on_line=refuse)


def test_put_then_get_gives_the_same_bytes(remote: Remote, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    target = tmp_path / "new" / "deep folder" / "file ☃"
    remote.put(data, str(target))
    assert remote.get(str(target)) == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_put_replaces_atomically_and_leaves_nothing_else(remote: Remote, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        remote.put(b"new", str(target), mode=0o600)
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_failing_put_leaves_nothing(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises((GpucloudError, IsADirectoryError), match="folder"):
        remote.put(b"data", str(tmp_path / "folder"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_get_of_a_missing_file_is_not_found(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        remote.get(str(tmp_path / "none"))


def test_relative_paths_start_in_the_home_folder(remote: Remote) -> None:
    name = ".gpucloud-contract-test/file"
    try:
        remote.put(b"here", name)
        assert remote.get(name) == b"here"
        assert remote.run(["cat", name], timeout=10).stdout == b"here"
    finally:
        check(remote.run(["rm", "-r", ".gpucloud-contract-test"], timeout=10))
