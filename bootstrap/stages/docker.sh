#!/usr/bin/env bash
# Docker and the NVIDIA container toolkit. Needs no driver; the CDI description follows from whichever stage ends later.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

DAEMON_JSON="$ROOT/etc/docker/daemon.json"
DOCKER=(docker-ce docker-ce-cli containerd.io)
TOOLKIT=(nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1)

# Tools are looked for on PATH and never by package name: images ship moby and others.
have() {
    command -v "$1" >/dev/null
}

# The cloud images' own login users; each may not exist.
login_users() {
    getent passwd ubuntu 1000 | cut -d: -f1 | sort -u || true
}

users_in_group() {
    local user
    for user in $(login_users); do
        [[ " $(id -nG "$user") " == *" docker "* ]] || return 1
    done
}

# merged_config: daemon.json with the nvidia runtime and CDI, whatever else is in it.
merged_config() {
    python3 - "$DAEMON_JSON" <<'PYTHON'
import json, os, sys
path = sys.argv[1]
config = json.load(open(path)) if os.path.exists(path) and os.path.getsize(path) else {}
config.setdefault("runtimes", {})["nvidia"] = {"args": [], "path": "nvidia-container-runtime"}
# In hook mode with systemd cgroups, a `systemctl daemon-reload` takes the GPU from running containers. CDI keeps it.
config.setdefault("features", {})["cdi"] = True
json.dump(config, sys.stdout, indent=2, sort_keys=True)
print()
PYTHON
}

check() {
    have docker && have nvidia-ctk && [[ -f "$DAEMON_JSON" && "$(<"$DAEMON_JSON")" == "$(merged_config)" ]] &&
        users_in_group && docker info >/dev/null 2>&1
}

# Same version for all four: apt would otherwise take the newest of each, and they refuse each other.
toolkit_packages() {
    local version
    version="$(apt-cache policy nvidia-container-toolkit | awk '/Candidate:/ { print $2 }')"
    printf '%s\n' "${TOOLKIT[@]/%/=$version}"
}

# Both repositories, one update, one transaction.
install_missing() {
    local codename packages=()
    if ! have docker; then
        # shellcheck source=/dev/null
        codename="$(. "$ROOT/etc/os-release" && echo "$VERSION_CODENAME")"
        add_repo docker "$GPUCLOUD_DOCKER_APT_URL/gpg" "$GPUCLOUD_DOCKER_APT_URL $codename stable"
    fi
    if ! have nvidia-ctk; then
        add_repo nvidia-container-toolkit "$GPUCLOUD_TOOLKIT_APT_URL/gpgkey" \
            "$GPUCLOUD_TOOLKIT_APT_URL/stable/deb/$(dpkg --print-architecture) /"
    fi
    apt_get update
    have docker || packages+=("${DOCKER[@]}")
    have nvidia-ctk || mapfile -t -O "${#packages[@]}" packages < <(toolkit_packages)
    apt_get install "${packages[@]}"
}

require_tools() {
    local tool
    for tool in docker nvidia-ctk nvidia-container-runtime; do
        have "$tool" || fail "$tool is not installed" "apt reported success, but the packages did not bring it" \
            "check the repositories that /etc/gpucloud/mirrors.env and /etc/apt/sources.list.d name"
    done
}

main() {
    local config user restart=
    # Before the packages: docker starts when it is unpacked, and then reads this file, which saves a restart.
    # It looks for a runtime's program only when a container asks for it, but for the hook behind --gpus when it starts.
    # apt unpacks everything before it starts anything, so only a docker that was there before has to be restarted.
    config="$(merged_config)"
    put "$DAEMON_JSON" <<<"$config"
    if have docker && { [[ -n "$CHANGED" ]] || ! have nvidia-ctk; }; then
        restart=yes
    fi
    if ! have docker || ! have nvidia-ctk; then
        install_missing
    fi
    require_tools
    if [[ -n "$restart" ]]; then
        systemctl restart docker.service
    fi
    systemctl enable --now docker.service
    for user in $(login_users); do
        usermod -aG docker "$user"
    done
    write_cdi_spec
}

if [[ "${1:-}" == --check ]]; then check; else main; fi
