"""What a machine is, wherever it runs: the words that every room of the program shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum, unique

TAG_RUN = "gpucloud-run"
TAG_NAME = "gpucloud-name"
TAG_OWNER = "gpucloud-owner"
TAG_PROFILE = "gpucloud-profile"
TAG_EXPIRES = "gpucloud-expires"
TAG_IDLE = "gpucloud-idle"


@unique
class State(StrEnum):
    """Life of a machine. STOPPED means that compute billing has stopped; disks go on costing.

    HALTED is a machine that switched itself off and is billed all the same, because its cloud still holds the
    hardware for it (Azure's "stopped", as against "deallocated"); `stop` ends that. UNKNOWN is a machine that no cloud
    can be asked about.
    """

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    HALTED = "halted"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Machine:
    """One machine as its cloud describes it now. Addresses change on stop and start: never an identity.

    `reason` is why the cloud last changed its state, in the cloud's words; mostly empty. A machine that gpucloud did
    not make has no `run`; the user logs in to it with `ssh_key`, a file, and as OpenSSH's own configuration says where
    that or `ssh_user` is empty or `ssh_port` is 22.
    """

    id: str
    name: str
    run: str
    cloud: str
    region: str
    zone: str
    type: str
    state: State
    address: str | None = None
    ssh_user: str = "ubuntu"
    ssh_port: int = 22
    ssh_key: str = ""
    launched_at: datetime | None = None
    expires_at: datetime | None = None
    spot: bool = False
    disk_gb: int | None = None
    reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Did gpucloud make it? Then its keys are in the local state, and it may be stopped and removed."""
        return self.run != ""


@dataclass(frozen=True)
class Spec:
    """What to launch. Plain values only: the journal keeps it, so that another process can undo the launch.

    `image` is an alias that the provider understands (`ubuntu-22.04`, `ubuntu-24.04`, `dlami`) or an id of its own.
    `disk_gb` is in GB, `ttl_minutes` in minutes (None: no kill switch). `ssh_from` is a CIDR; empty means the
    caller's own address. `user_data` is the cloud-config document, which holds the machine's private host key:
    it is not written to the journal (see `journal_form`). `authorized_key` is the public login key in it, for clouds
    that want it once more. `count` is how many of them are planned together, for a preflight; a launch makes one.
    """

    name: str
    region: str
    type: str
    image: str = "ubuntu-22.04"
    disk_gb: int = 100
    spot: bool = False
    subnet: str = ""
    zone: str = ""
    ssh_from: str = ""
    ssh_user: str = "ubuntu"
    ttl_minutes: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    authorized_key: str = ""
    count: int = 1
    user_data: str = field(default="", repr=False)

    def journal_form(self) -> dict[str, object]:
        """The spec as the journal keeps it: everything that undoing needs, and no secret."""
        form = asdict(self)
        del form["user_data"]
        return form

    @classmethod
    def from_journal(cls, form: Mapping[str, object]) -> Spec:
        """The spec that `journal_form` wrote."""
        return cls(**form)  # type: ignore[arg-type]  # written by journal_form, from these very fields


@dataclass(frozen=True)
class Headroom:
    """What a quota still allows, in vCPUs: `free` of `limit`."""

    free: int
    limit: int


@dataclass(frozen=True)
class Resource:
    """Something in the cloud that carries our tag: an instance, volume, interface, security group …

    `costs` says whether it is billed while it exists. `owner` is its own owner tag, "" if it has none.
    """

    kind: str
    id: str
    region: str
    run: str
    costs: bool
    owner: str = ""
