"""Flags over environment over file; a region that is overridden still holds for the other cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpucloud import config
from gpucloud.config import Config, Host
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


def test_hosts_are_read_with_their_defaults(home: Path) -> None:
    write(home, "hosts:\n  lab: {address: 10.0.0.7, user: ada, port: 2222, key: ~/lab, type: g4dn.xlarge}\n")
    assert config.load({}, {}).hosts == {"lab": Host("10.0.0.7", "ada", 2222, str(home / "lab"), "g4dn.xlarge")}
    (home / ".config/gpucloud/config.yaml").write_text("hosts: {gpu-1.lab: {address: box}}\n")
    assert config.load({}, {}).hosts == {"gpu-1.lab": Host("box")}


def test_hosts_have_no_variable() -> None:
    assert config.load({}, {"GPUCLOUD_HOSTS": "lab"}).hosts == {}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[lab]", "hosts: must be a mapping"),
        ("{-lab: {address: x}}", "hosts: '-lab' cannot be a name"),
        ("{lab: 10.0.0.7}", "hosts.lab: must be a mapping with an address"),
        ("{lab: {user: ada}}", "hosts.lab: must be a mapping with an address"),
        ("{lab: {address: x, adress: y}}", "hosts.lab.adress: unknown key"),
        ("{lab: {address: -oProxyCommand=x}}", "hosts.lab.address: must be a host name"),
        ("{lab: {address: ada@x}}", "hosts.lab.address: must be a host name"),
        ("{lab: {address: x, port: 70000}}", "hosts.lab.port: must be a number from 1 to 65535"),
        ("{lab: {address: x, port: on}}", "hosts.lab.port: must be a number from 1 to 65535"),
        ("{lab: {address: x, user: 7}}", "hosts.lab.user: must be a string"),
    ],
)
def test_a_mistake_in_a_host_is_told_with_its_path(home: Path, text: str, wrong: str) -> None:
    write(home, f"hosts: {text}\n")
    with pytest.raises(ConfigError) as caught:
        config.load({}, {})
    assert wrong in caught.value.what
