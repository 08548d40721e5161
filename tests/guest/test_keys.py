import subprocess
from pathlib import Path

from gpucloud.keys import Secret, fingerprint, new_keypair


def test_openssh_reads_both_halves_and_agrees_on_the_fingerprint(tmp_path: Path) -> None:
    pair = new_keypair()
    private = tmp_path / "key"
    private.touch(0o600)
    private.write_text(pair.private.reveal())
    derived = subprocess.run(["ssh-keygen", "-y", "-f", private], check=True, capture_output=True, text=True).stdout
    assert derived.split()[:2] == pair.public.split()
    shown = subprocess.run(["ssh-keygen", "-l", "-f", private], check=True, capture_output=True, text=True).stdout
    assert fingerprint(pair.public) in shown


def test_two_pairs_differ() -> None:
    assert new_keypair().public != new_keypair().public


def test_a_secret_shows_as_stars_and_is_revealed_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert [repr(secret), str(secret), f"{secret:>5}", "%s" % secret] == ["***", "***", "  ***", "***"]  # noqa: UP031
    assert "hunter2" not in repr(new_keypair()) + repr([secret])
    assert secret.reveal() == "hunter2"
    assert type(secret.reveal()) is str
