"""The boot log of a machine on Azure, which lies behind a signed link."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucloud.errors import Unreachable
from gpucloud.providers.azure.provider import LOG_BYTES, AzureProvider
from gpucloud.providers.azure.settings import AzureSettings
from tests.providers.azure_support import Answer, refused, scripted
from tests.providers.support import Cloud


def fetched(folder: Path, answer: Answer) -> str:
    with scripted(folder, answer) as storage:
        return AzureProvider(storage.settings, "eastus")._fetch(f"{storage.url}/container/log?sig=secret")


def test_a_machine_of_an_api_only_sandbox_has_a_log_that_can_be_read(azure: Cloud) -> None:
    provider = azure.provider()
    assert isinstance(provider.console(azure.launch(provider)), str)


def test_the_log_is_text_whatever_bytes_are_in_it(tmp_path: Path) -> None:
    assert fetched(tmp_path, (200, "[    0.0] Linux\n\x1b[0m", {})) == "[    0.0] Linux\n\x1b[0m"


def test_a_log_that_never_ends_is_cut(tmp_path: Path) -> None:
    assert len(fetched(tmp_path, (200, "x" * (LOG_BYTES + 1000), {}))) == LOG_BYTES


def test_a_log_that_was_not_written_yet_is_empty(tmp_path: Path) -> None:
    assert fetched(tmp_path, refused(404, "BlobNotFound")) == ""


def test_a_link_that_does_not_open_is_told_without_its_signature(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="403") as caught:
        fetched(tmp_path, refused(403, "AuthenticationFailed"))
    assert "secret" not in str(caught.value)
    nowhere = AzureProvider(AzureSettings(), "eastus")
    with pytest.raises(Unreachable, match="cannot read the boot log"):
        nowhere._fetch("https://127.0.0.1:9/log")
