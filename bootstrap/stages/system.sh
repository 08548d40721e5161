#!/usr/bin/env bash
# Make apt safe to use: wait for first boot, keep background upgrades away, update the lists once for all stages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

BLACKLIST="$ROOT/etc/apt/apt.conf.d/52gpucloud-unattended-upgrades"
STAMP="$ROOT/var/lib/apt/periodic/gpucloud-update-stamp"
TOOLS=(ca-certificates kmod pciutils)

missing_tools() {
    comm -23 <(printf '%s\n' "${TOOLS[@]}" | sort) <(installed "${TOOLS[@]}" | cut -d' ' -f1 | sort)
}

check() {
    [[ -f "$BLACKLIST" && -z "$(missing_tools)" && -n "$(find "$STAMP" -mmin -1440 2>/dev/null)" ]]
}

wait_for_first_boot() {
    if command -v cloud-init >/dev/null; then
        cloud-init status --wait || echo "cloud-init ended with an error of its own; see /var/log/cloud-init.log"
    fi
}

# Masked until the next boot only: from then on security updates come again, and the blacklist keeps them off the driver.
silence_background_apt() {
    systemctl mask --runtime --now apt-daily.timer apt-daily-upgrade.timer
    systemctl stop apt-daily.service apt-daily-upgrade.service
}

# An upgrade of the userspace under a loaded module, or of the kernel without a module, takes the GPU away.
blacklist_driver_upgrades() {
    put "$BLACKLIST" <<'CONF'
// Written by gpucloud: driver and kernel change together, by `gpucloud up` with the same name, and not in the background.
Unattended-Upgrade::Package-Blacklist {
    "nvidia-";
    "libnvidia-";
    "linux-";
};
CONF
}

main() {
    local tools
    wait_for_first_boot
    silence_background_apt
    blacklist_driver_upgrades
    apt_get update
    mapfile -t tools < <(missing_tools)
    if ((${#tools[@]})); then
        apt_get install "${tools[@]}"
    fi
    mkdir -p "${STAMP%/*}"
    touch "$STAMP"
}

if [[ "${1:-}" == --check ]]; then check; else main; fi
