# shellcheck shell=bash
# shellcheck disable=SC2034  # the stages use the variables
# What every stage uses. Sourced by stages/*.sh after `set -euo pipefail`.
# GPUCLOUD_ROOT stands before every path of the system: empty on a real machine, a folder in a test.

ROOT="${GPUCLOUD_ROOT:-}"

GPUCLOUD_DOCKER_APT_URL=https://download.docker.com/linux/ubuntu
GPUCLOUD_TOOLKIT_APT_URL=https://nvidia.github.io/libnvidia-container
GPUCLOUD_CUDA_APT_URL=
GPUCLOUD_PYPI_URL=https://pypi.org/simple
GPUCLOUD_TORCH_URL=https://download.pytorch.org/whl
if [[ -r "$ROOT/etc/gpucloud/mirrors.env" ]]; then
    # shellcheck source=/dev/null
    . "$ROOT/etc/gpucloud/mirrors.env"
fi

# explain WHAT WHY REMEDY: name the cause of a failure, to the runner and to whoever reads along.
explain() {
    if [[ -n "${GPUCLOUD_FAILURE_FILE:-}" ]]; then
        python3 -c 'import json, sys; json.dump(dict(zip(("what", "why", "remedy"), sys.argv[1:])), sys.stdout)' \
            "$1" "$2" "$3" >"$GPUCLOUD_FAILURE_FILE"
    fi
    printf 'error: %s: %s\nfix: %s\n' "$1" "$2" "$3" >&2
}

# fail WHAT WHY REMEDY: end the stage for a cause that another try would meet again.
fail() {
    explain "$@"
    exit 1
}

# fail_for_now WHAT WHY REMEDY: end the stage for a cause that may pass. 75 is sysexits.h's EX_TEMPFAIL: try again.
fail_for_now() {
    explain "$@"
    exit 75
}

# request_reboot WHY REMEDY: end the stage and have it run again after a reboot. A second one would not help either.
request_reboot() {
    if [[ -n "${GPUCLOUD_REBOOTED:-}" ]]; then
        fail "${GPUCLOUD_STAGE:-stage} still does not work after a reboot" "$1" "$2"
    elif [[ -z "${GPUCLOUD_REBOOT_FILE:-}" ]]; then
        fail "a reboot is needed" "$1" "run \`reboot\`, then run this script again"
    fi
    echo "asking for a reboot: $1"
    echo "$1" >"$GPUCLOUD_REBOOT_FILE"
    exit 0
}

# Seconds that another program may have apt to itself.
APT_WAIT=600

# wait_for_lists: until nobody else renews the package lists, such as a cloud's agent. apt's own DPkg::Lock::Timeout is
# for dpkg's lock alone: `apt-get update` gives up at once (apt 2.6).
wait_for_lists() {
    python3 - "$ROOT/var/lib/apt/lists/lock" "$APT_WAIT" <<'PYTHON'
import fcntl, os, signal, sys
path, seconds = sys.argv[1], int(sys.argv[2])
if os.path.exists(path):
    signal.alarm(seconds)
    with open(path, "a") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
PYTHON
}

# apt_get ARGS: apt-get that asks nothing, waits for another apt to finish, and restarts no services on its own.
apt_get() {
    if [[ "$1" == update ]]; then
        wait_for_lists || fail_for_now "the package lists cannot be renewed" \
            "another program has held /var/lib/apt/lists/lock for $APT_WAIT s" "end it: \`fuser -v /var/lib/apt/lists/lock\` names it"
    fi
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y --no-install-recommends \
        -o "DPkg::Lock::Timeout=$APT_WAIT" -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# fetch URL FILE: download, whole or not at all. With python3, because images need not have curl.
fetch() {
    python3 - "$1" "$2" <<'PYTHON'
import os, shutil, sys, urllib.request
url, path = sys.argv[1:]
with urllib.request.urlopen(url, timeout=60) as answer, open(path + ".part", "wb") as part:
    shutil.copyfileobj(answer, part)
os.replace(path + ".part", path)
PYTHON
}

# put FILE: standard input becomes FILE, unless FILE says the same already. Sets CHANGED to yes or nothing.
put() {
    local content
    content="$(cat)"
    CHANGED=
    if [[ ! -f "$1" || "$(<"$1")" != "$content" ]]; then
        mkdir -p "${1%/*}"
        printf '%s\n' "$content" >"$1.new"
        chmod 644 "$1.new"
        mv "$1.new" "$1"
        CHANGED=yes
    fi
}

# add_repo NAME KEY_URL "URL SUITE [COMPONENT]": a signed apt source. Writing it twice changes nothing.
add_repo() {
    local key="/etc/apt/keyrings/$1.asc"
    if [[ ! -s "$ROOT$key" ]]; then
        mkdir -p "$ROOT/etc/apt/keyrings"
        fetch "$2" "$ROOT$key" || fail_for_now "the apt repository $1 cannot be added" "its key $2 cannot be read" \
            "check that the machine reaches ${2%/*}, or name a mirror in /etc/gpucloud/mirrors.env"
        chmod 644 "$ROOT$key"
    fi
    put "$ROOT/etc/apt/sources.list.d/$1.list" <<<"deb [arch=$(dpkg --print-architecture) signed-by=$key] $3"
}

# available PACKAGE: does a configured repository have it?
available() {
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# installed PATTERN…: name and version of the installed packages that match, one a line.
installed() {
    # dpkg-query ends with 1 as soon as one pattern matches nothing, which is an answer and not an error.
    { dpkg-query -W -f='${db:Status-Abbrev} ${Package} ${Version}\n' "$@" 2>/dev/null || true; } |
        awk '$1 ~ /^[ih]i/ { print $2, $3 }'
}

# module_loaded NAME: is it in the kernel? Only modules that can be unloaded have an initstate.
module_loaded() {
    [[ -e "$ROOT/sys/module/${1//-/_}/initstate" ]]
}

# write_cdi_spec: describe the GPUs to container engines. It needs both a driver that answers and the toolkit, which come
# from two stages in either order, so both call this and the later one does it. The `apt` lock keeps them apart.
write_cdi_spec() {
    if nvidia-smi -L >/dev/null 2>&1 && command -v nvidia-ctk >/dev/null; then
        mkdir -p "$ROOT/etc/cdi"
        nvidia-ctk cdi generate --output="$ROOT/etc/cdi/nvidia.yaml"
    fi
}
