"""Flags over environment over file; a region that is overridden still holds for the other cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucloud import config
from gpucloud.config import Config
from gpucloud.errors import ConfigError


def write(home: Path, text: str) -> None:
    folder = home / ".config" / "gpucloud"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(text)


def test_without_any_source_everything_is_as_by_default() -> None:
    assert config.load({"cloud": "", "region": None}, {}) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(home: Path) -> None:
    write(home, "cloud: aws\nprofile: torch\nttl: 8h\n")
    loaded = config.load({"cloud": "azure"}, {"GPUCLOUD_CLOUD": "gcp", "GPUCLOUD_TTL": "2h"})
    assert (loaded.cloud, loaded.ttl, loaded.profile) == ("azure", "2h", "torch")


def test_only_what_the_command_line_set_is_a_flag(home: Path) -> None:
    write(home, "region: us-east-1\n")
    assert config.load({"region": ""}, {"GPUCLOUD_CLOUD": "aws"}).flags == frozenset()
    assert config.load({"region": "eastus"}, {}).flags == {"region"}


def test_an_overridden_region_is_still_one_of_the_regions(home: Path) -> None:
    write(home, "region: us-east-1\nregions: [eu-west-1]\n")
    loaded = config.load({"region": "eastus"}, {"GPUCLOUD_REGION": "us-west-2"})
    assert (loaded.region, loaded.regions) == ("eastus", ("us-west-2", "us-east-1", "eu-west-1"))
    assert config.load({"region": "us-east-1"}, {}).regions == ("eu-west-1",)


def test_regions_of_the_environment_are_separated_by_commas() -> None:
    assert config.load({}, {"GPUCLOUD_REGIONS": "eastus, us-east-1,"}).regions == ("eastus", "us-east-1")


def test_flags_are_no_key_of_the_file(home: Path) -> None:
    write(home, "flags: [region]\n")
    with pytest.raises(ConfigError, match="flags: unknown key"):
        config.load({}, {})
