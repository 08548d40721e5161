"""A guest's life: cloud-init, services and timers, poweroff, reboot, stop and start, destroy."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpucloud.errors import CloudError, ConfigError, NotFound
from gpucloud.sandbox.guest.manager import GuestManager
from tests.sandbox_guest.conftest import HARDWARE, PORT, QUICK, Client, Keys, leftovers, wait_up

pytestmark = pytest.mark.slow

ADDRESS = "127.77.200.2"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class Own:
    """A guest of one test alone, with what it did to itself."""

    def __init__(self, manager: GuestManager, keys: Keys, **user_data: Any) -> None:
        self.manager, self.powers = manager, queue.Queue[str]()
        hardware = {**HARDWARE, "pending_kernel": "6.8.0-1040-aws"}
        manager.create(
            "i-0b", ADDRESS, PORT, keys.user_data(**user_data), hardware, lambda _id, how: self.powers.put(how)
        )
        wait_up(manager, "i-0b")
        self.ssh = Client(keys, ADDRESS)


@pytest.fixture
def own(manager: GuestManager, keys: Keys) -> Iterator[Own]:
    files = [{"path": "/etc/x/y", "content": "aGVsbG8=", "encoding": "b64", "permissions": "0640", "owner": "root:adm"}]
    yield Own(manager, keys, bootcmd=["echo boot >> /root/boots"], write_files=files, runcmd=[["touch", "/root/ran"]])
    manager.destroy("i-0b")
    assert leftovers(manager.root / "i-0b") == ""
    assert not (manager.root / "i-0b").exists()


def test_user_data_is_applied_and_cloud_init_says_so(own: Own) -> None:
    assert own.ssh.output("cloud-init status --wait") == "status: done"
    assert own.ssh.output("sudo cat /etc/x/y /root/boots; sudo stat -c %a:%G /etc/x/y; sudo ls /root/ran").split() == [
        "helloboot",
        "640:adm",
        "/root/ran",
    ]


def test_a_reboot_is_heard_and_gives_a_new_boot_id_and_the_pending_kernel(own: Own) -> None:
    before = own.ssh.output(f"{BOOT_ID}; uname -r; sudo touch /run/x /tmp/x /opt/kept")
    own.ssh.run("sudo reboot")
    assert own.powers.get(timeout=10) == "reboot"
    assert QUICK.until(lambda: own.manager.guests["i-0b"].running, timeout=10)
    wait_up(own.manager, "i-0b")

    after = own.ssh.output(f"{BOOT_ID}; uname -r")
    assert (before.split()[1], after.split()[1]) == ("6.8.0-1035-aws", "6.8.0-1040-aws")
    assert before.split()[0] != after.split()[0]
    assert own.ssh.run("ls /run/x /tmp/x").stdout == b""
    assert own.ssh.output("ls /opt/kept; sudo cat /root/boots").split() == ["/opt/kept", "boot", "boot"]


def test_poweroff_is_heard_and_start_brings_the_disk_back_elsewhere(own: Own, keys: Keys) -> None:
    own.ssh.output("sudo touch /usr/kept /home/ubuntu/kept")
    own.ssh.run("sudo shutdown -P now")
    assert own.powers.get(timeout=10) == "poweroff"
    own.manager.start("i-0b", "127.77.200.3")
    wait_up(own.manager, "i-0b")

    assert (
        Client(keys, "127.77.200.3").output("ls /usr/kept /home/ubuntu/kept; hostname").split()[2] == "ip-127-77-200-3"
    )
    assert "poweroff" in own.manager.console("i-0b")


def test_stop_is_not_heard_as_a_poweroff(own: Own) -> None:
    own.manager.stop("i-0b")

    assert own.ssh.run("true").returncode == 255
    assert own.powers.empty()
    assert "i-0b" in own.manager.list()


SERVICE = "[Unit]\\nDescription=t\\n[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n"


def test_services_run_are_enabled_and_come_back_after_a_reboot(own: Own) -> None:
    run = own.ssh.run
    own.ssh.output(f"printf '{SERVICE}' | sudo tee /etc/systemd/system/t.service && sudo systemctl enable --now t")
    assert own.ssh.output("systemctl is-active t; systemctl is-enabled t.service; pgrep -fc 'sleep 1000$'").split()[
        :2
    ] == [
        "active",
        "enabled",
    ]
    own.manager.reboot("i-0b")
    wait_up(own.manager, "i-0b")
    assert QUICK.until(lambda: run("systemctl is-active t").returncode == 0, timeout=5)
    own.ssh.output("sudo systemctl stop t; ! pgrep -f 'sleep 1000$'")
    own.ssh.output("sudo systemctl disable t && sudo systemctl mask apt-daily.timer")
    assert run("systemctl is-enabled t").stdout == b"disabled\n"
    assert (run("sudo systemctl start apt-daily.timer").returncode, run("sudo systemctl start nosuch").returncode) == (
        1,
        5,
    )


def test_transient_services_and_timers_run(own: Own) -> None:
    own.ssh.output("sudo systemd-run --unit=job --collect --setenv=A=b sh -c 'echo $A from $$ > /root/job'")
    assert QUICK.until(lambda: own.ssh.run("sudo cat /root/job").stdout.startswith(b"b from"), timeout=5)

    unit = "[Timer]\\nOnActiveSec=100ms\\n"
    service = "[Service]\\nType=oneshot\\nExecStart=/bin/touch /root/fired\\n"
    own.ssh.output(f"printf '{unit}' | sudo tee /etc/systemd/system/w.timer")
    own.ssh.output(f"printf '{service}' | sudo tee /etc/systemd/system/w.service; sudo systemctl start w.timer")
    assert QUICK.until(lambda: own.ssh.run("sudo ls /root/fired").returncode == 0, timeout=5)


def test_a_script_is_run_as_root_with_its_parameters(own: Own) -> None:
    script = "id -un; echo $1 $b; echo $HOME; echo no >&2; nohup sleep 1000 & exit 3"
    assert own.manager.run("i-0b", script, {"a": "1", "b": "x y"}) == (3, "root\n1 x y\n\n", "no\n")
    assert own.ssh.output("pgrep -fc 'sleep 1000$'") != "0"
    assert own.manager.run("i-0b", "#!/bin/bash\n[[ $0 == */download/1/script.sh ]]", {}) == (0, "", "")


def test_a_script_is_ended_at_its_time_limit_and_tells_the_end_of_what_it_printed(own: Own) -> None:
    code, out, err = own.manager.run("i-0b", "seq 100000; sleep 1000", {}, seconds=1)
    assert (code, len(out), err) == (-9, 4096, "")
    assert out.endswith("99999\n100000\n")
    assert own.ssh.run("pgrep -f 'sleep 1000$'").returncode == 1


def test_a_script_that_is_too_long_is_refused_and_one_that_outlives_its_guest_too(own: Own) -> None:
    with pytest.raises(CloudError, match="Message too long"):
        own.manager.run("i-0b", "#" * 300_000, {})
    with pytest.raises(CloudError, match="ended meanwhile"):
        own.manager.run("i-0b", "poweroff; sleep 1000", {})
    with pytest.raises((NotFound, CloudError), match="does not run|has ended"):
        own.manager.run("i-0b", "true", {})


def test_user_data_that_cannot_be_used_is_refused_before_anything_is_made(manager: GuestManager) -> None:
    with pytest.raises(ConfigError):
        manager.create("i-0c", ADDRESS, PORT, b"#cloud-config\n{", HARDWARE, lambda _id, _how: None)

    assert "i-0c" not in manager.list()
    assert not Path(manager.root, "i-0c").exists()
