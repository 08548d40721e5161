import pytest

from gpucloud.remote.base import RemoteTimeout
from gpucloud.remote.command import Lines, limited, result_of


def test_root_is_reached_through_sudo_without_a_prompt() -> None:
    assert limited(["id"], 2, as_root=True)[:3] == ["sudo", "-n", "--"]
    assert limited(["id"], 2, as_root=False) == ["timeout", "--kill-after=5", "--", "2.000", "id"]


@pytest.mark.parametrize(("code", "rc"), [(0, 0), (7, 7), (-9, 137), (137, 137), (124, 124)])
def test_an_early_end_is_a_value(code: int, rc: int) -> None:
    assert result_of(["x"], code, b"", b"", elapsed=1, timeout=5).rc == rc


@pytest.mark.parametrize("code", [124, 137])
def test_the_codes_of_timeout_after_the_limit_are_a_timeout(code: int) -> None:
    with pytest.raises(RemoteTimeout, match="`x y` did not end within 5 s"):
        result_of(["x", "y"], code, b"", b"", elapsed=5.1, timeout=5)


def test_lines_are_whole_however_the_stream_is_cut() -> None:
    seen: list[str] = []
    lines = Lines(seen.append)
    for byte in "ä\n\nb\r\nc".encode():
        lines.feed(bytes([byte]))
    assert lines.finish() == "ä\n\nb\r\nc".encode()
    assert seen == ["ä", "", "b\r", "c"]
