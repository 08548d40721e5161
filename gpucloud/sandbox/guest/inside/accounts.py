"""Users of the guest, as processes need them."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Any, NamedTuple

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Account(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str
    shell: str

    def environment(self) -> dict[str, str]:
        """What a login gives a process."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": self.shell, "PATH": PATH}

    def identity(self) -> dict[str, Any]:
        """Arguments of subprocess that run a program as this user, with the groups that the user has now."""
        return {"user": self.uid, "group": self.gid, "extra_groups": os.getgrouplist(self.name, self.gid)}


def make_home(account: Account) -> None:
    """The user's home, unless there is one, from /etc/skel."""
    home = Path(account.home)
    if home.exists():
        return
    shutil.copytree("/etc/skel", home)
    for path in (home, *home.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    home.chmod(0o750)


def find(name: str) -> Account:
    """Raises KeyError for an unknown user."""
    entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)
