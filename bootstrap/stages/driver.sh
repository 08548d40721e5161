#!/usr/bin/env bash
# The NVIDIA driver, from Ubuntu's precompiled and signed modules: no compiler, and no reboot where the module loads.
# GPUCLOUD_DRIVER_BRANCH (580), GPUCLOUD_DRIVER_FLAVOUR (open|proprietary|grid), GPUCLOUD_DRIVER_GSP (on|off)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../kernel.sh
. "$(dirname "${BASH_SOURCE[0]}")/../kernel.sh"

BRANCH="${GPUCLOUD_DRIVER_BRANCH:-580}"
FLAVOUR="${GPUCLOUD_DRIVER_FLAVOUR:-open}"
GSP="${GPUCLOUD_DRIVER_GSP:-on}"
NVIDIA_VENDOR=0x10de
MODULES=(nvidia nvidia-uvm nvidia-modeset)

# The PCI device ids of NVIDIA's display and 3D controllers (class 0x03…), not of its audio or NVSwitch functions.
gpu_ids() {
    local device
    for device in "$ROOT"/sys/bus/pci/devices/*/; do
        if [[ "$(cat "$device/vendor" 2>/dev/null)" == "$NVIDIA_VENDOR" && "$(cat "$device/class")" == 0x03* ]]; then
            cat "$device/device"
        fi
    done
}

has_nvswitch() {
    compgen -G "$ROOT/proc/driver/nvidia-nvswitch/devices/*" >/dev/null
}

fabricmanager_runs() {
    ! has_nvswitch || systemctl is-active --quiet nvidia-fabricmanager.service
}

driver_version() {
    nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | sed -n 1p
}

userspace_version() {
    installed "nvidia-utils-$BRANCH*" | awk '{ sub(/-.*/, "", $2); print $2 }' | sed -n 1p
}

# A working driver is left alone: of this branch where it came from Ubuntu's archive, of this or a newer one where the
# image's maker has installed it.
check() {
    local version
    version="$(driver_version)" || return 1
    [[ -n "$version" ]] && module_loaded nvidia-uvm && fabricmanager_runs || return 1
    if [[ -n "$(installed 'nvidia-utils-*-server')" ]]; then
        [[ "${version%%.*}" == "$BRANCH" && "$version" == "$(userspace_version)" ]] &&
            apt-mark showhold | grep -x "nvidia-utils-$BRANCH-server" >/dev/null
    else
        [[ "${version%%.*}" -ge "$BRANCH" ]]
    fi
}

# A driver that the image brought, from NVIDIA's own packages or installer: neither Ubuntu's, which apt can exchange for
# another (their versions have 0ubuntu0), nor one that we compiled.
is_of_the_image() {
    local packages
    # Those too that an interrupted run has left half installed.
    packages="$(dpkg-query -W -f='${Package} ${Version}\n' 'nvidia-utils-*' 2>/dev/null || true)"
    command -v nvidia-smi >/dev/null && [[ ! -e "$ROOT/etc/apt/sources.list.d/cuda.list" ]] &&
        [[ ! "$packages" =~ -server" "[0-9]|-0ubuntu0\. ]]
}

# use_image_driver: load what the image brought, and name the cause where it does not work or is too old. Ubuntu's packages
# cannot take its place: both have files of the same names.
use_image_driver() {
    local version
    # Its errors go to stdout too.
    if version="$(driver_version)" && [[ "${version%%.*}" -lt "$BRANCH" ]]; then
        fail "the image's driver is $version, and branch $BRANCH is wanted" "Ubuntu's packages cannot take the place of a driver \
that did not come with them" "set \`driver: ${version%%.*}\` in the profile, or choose an image without a driver"
    fi
    load_modules
    put "$ROOT/etc/modules-load.d/gpucloud-nvidia.conf" < <(printf '%s\n' "${MODULES[@]}")
    if has_nvswitch; then
        systemctl enable --now nvidia-fabricmanager.service
    fi
    require_answer
    write_cdi_spec
}

require_gpu() {
    if [[ -z "$(gpu_ids)" ]]; then
        fail "there is no NVIDIA GPU in this machine" "no PCI device of vendor 10de has a display class" \
            "choose an instance type with an NVIDIA GPU: \`gpucloud types\`"
    fi
}

# From B200 on, NVSwitches show as InfiniBand bridges (vendor 15b3) whose vital product data says SW_MNG.
require_known_switches() {
    local device
    for device in "$ROOT"/sys/bus/pci/devices/*/; do
        if [[ "$(cat "$device/vendor")" == 0x15b3 ]] && grep -q -s SW_MNG "$device/vpd"; then
            fail "the NVLink switches of this machine cannot be started" "they need NVIDIA's nvlsm, which Ubuntu does not have" \
                "choose an image that brings it: \`--image dlami\`"
        fi
    done
}

# The flavour by PCI id beats the flavour by name, where there is no choice: the open module begins with Turing (ids from
# 0x1e00), and from Blackwell (ids from 0x2900) or branch 615 it is the only one.
settle_flavour() {
    local id wanted="$FLAVOUR"
    id="$(gpu_ids | sed -n 1p)"
    if [[ "$FLAVOUR" == grid ]]; then
        fail "this size needs NVIDIA's GRID driver" "its GPU is a share (vGPU), which CUDA drivers cannot drive" \
            "choose a size with a whole GPU, or an image that has the GRID driver"
    elif ((id < 0x1e00 || BRANCH < 515)); then
        FLAVOUR=proprietary
    elif ((id >= 0x2900 || BRANCH >= 615)); then
        FLAVOUR=open
    fi
    if [[ "$FLAVOUR" != "$wanted" ]]; then
        echo "GPU $id with branch $BRANCH takes the $FLAVOUR kernel module, not the $wanted one"
    fi
}

# Turning the GSP firmware off works with the proprietary module only, and only before it is loaded.
write_module_options() {
    if [[ "$GSP" == off && "$FLAVOUR" == proprietary ]]; then
        put "$ROOT/etc/modprobe.d/gpucloud-nvidia.conf" <<<'options nvidia NVreg_EnableGpuFirmware=0'
    else
        rm -f "$ROOT/etc/modprobe.d/gpucloud-nvidia.conf"
    fi
    put "$ROOT/etc/modprobe.d/gpucloud-nouveau.conf" <<<$'blacklist nouveau\noptions nouveau modeset=0'
    put "$ROOT/etc/modules-load.d/gpucloud-nvidia.conf" < <(printf '%s\n' "${MODULES[@]}")
}

install_precompiled() {
    local packages=(
        "nvidia-headless-no-dkms-$BRANCH-server" "nvidia-utils-$BRANCH-server"
        "libnvidia-decode-$BRANCH-server" "libnvidia-encode-$BRANCH-server"
        "$(module_packages "$KERNEL")" # and by its dependencies, where it is proprietary, its objects and signatures
    )
    apt_get install --allow-change-held-packages "${packages[@]}"
}

# Ubuntu ends a branch by packages of its name that only pull in the next one: of that one's version, or of their own.
require_branch() {
    local package="nvidia-utils-$BRANCH-server" next
    next="$(candidate "$package" Depends | grep -o -E 'nvidia-utils-[0-9]+-server' | tr -dc 0-9 || true)"
    next="${next:-$(candidate "$package" Version | cut -d. -f1)}"
    if [[ "$next" != "$BRANCH" ]]; then
        fail "driver branch $BRANCH cannot be installed" "Ubuntu's $package has become a name for branch $next" \
            "set \`driver: $next\` in the profile"
    fi
}

# NVIDIA's repository for this Ubuntu and machine, e.g. …/repos/ubuntu2204/x86_64.
cuda_url() {
    local machine=x86_64 distribution
    if [[ "$(dpkg --print-architecture)" == arm64 ]]; then
        machine=sbsa
    fi
    # shellcheck source=/dev/null
    distribution="$(. "$ROOT/etc/os-release" && echo "$ID${VERSION_ID//./}")"
    echo "${GPUCLOUD_CUDA_APT_URL:-https://developer.download.nvidia.com/compute/cuda/repos/$distribution/$machine}"
}

# A kernel that Ubuntu has no module for: compile one, from NVIDIA's own repository.
install_dkms() {
    local what="no NVIDIA module for the running kernel $KERNEL" driver="cuda-drivers-$BRANCH" url
    if secure_boot_is_on; then
        fail "$what" "Ubuntu has no signed one of branch $BRANCH, and Secure Boot loads none that is compiled here" \
            "$SECURE_BOOT_REMEDY"
    fi
    if ! available "linux-headers-$KERNEL"; then
        fail "$what" "Ubuntu has no precompiled one of branch $BRANCH, and linux-headers-$KERNEL, which compiling needs, is missing" \
            "boot a kernel that has one: install linux-image-$(kernel_line), reboot, and run \`gpucloud up\` again"
    fi
    url="$(cuda_url)"
    add_repo cuda "$url/3bf863cc.pub" "$url /"
    apt_get update
    if [[ "$FLAVOUR" == open ]]; then
        driver="nvidia-open-$BRANCH"
    fi
    apt_get install --allow-change-held-packages "linux-headers-$KERNEL" "$driver" ||
        fail "$what" "compiling one with DKMS failed" "read /var/lib/dkms/nvidia/*/build/make.log on the machine"
}

remove_nouveau() {
    if module_loaded nouveau && ! rmmod nouveau; then
        if command -v update-initramfs >/dev/null; then
            update-initramfs -u -k "$KERNEL"
        fi
        request_reboot "the nouveau module holds the GPU and cannot be removed" \
            "blacklist nouveau on the kernel command line: modprobe.blacklist=nouveau"
    fi
}

load_modules() {
    local module said
    for module in "${MODULES[@]}"; do
        said="$(modprobe "$module" 2>&1)" || refuse_module "$module" "$said"
        module_loaded "$module" || fail "the kernel module $module is not loaded" \
            "modprobe reported success, but the kernel does not have it" "run \`modprobe -v $module\` and \`dmesg\` on the machine; reboot if they name no cause"
    done
}

# refuse_module NAME WORDS: what modprobe said of a module that does not load. EKEYREJECTED and ENOKEY are Secure Boot's.
refuse_module() {
    local what="the kernel module $1 does not load"
    if [[ "$2" =~ "Key was rejected by service"|"Required key not available" ]]; then
        fail "$what" "Secure Boot refuses it, because no key of the firmware's has signed it: $2" "$SECURE_BOOT_REMEDY"
    fi
    fail "$what" "$(kernel_reason "$2")" "read \`dmesg\` on the machine; with Secure Boot only Ubuntu's signed modules load"
}

kernel_reason() {
    dmesg 2>/dev/null | grep -i -E 'nvrm|nvidia|lockdown' | tail -n 1 | grep . || echo "${1:-modprobe gives no reason}"
}

# Whatever is loaded may be of another version or flavour, or have other options than what is installed now.
unload_stale_modules() {
    local module
    if module_loaded nvidia; then
        systemctl stop nvidia-persistenced.service
    fi
    for module in nvidia-uvm nvidia-drm nvidia-modeset nvidia; do
        if module_loaded "$module" && ! rmmod "$module"; then
            echo "$module is in use"
            return
        fi
    done
}

require_loaded_version() {
    local userspace loaded
    userspace="$(userspace_version)" loaded="$(cat "$ROOT/sys/module/nvidia/version" || echo unknown)"
    if [[ -n "$userspace" && "$loaded" != "$userspace" ]]; then
        request_reboot "Driver/library version mismatch: the loaded module is version $loaded, the userspace is $userspace" \
            "reinstall both: \`apt-get install --reinstall $(module_packages "$KERNEL") nvidia-utils-$BRANCH-server\`, then reboot"
    fi
}

# Without persistence nvidia-smi can take more than 25 s on an 8-GPU machine. Ubuntu's unit turns the mode off, is started
# by udev only, and ends when nothing needs it.
enable_persistence() {
    put "$ROOT/etc/systemd/system/nvidia-persistenced.service.d/gpucloud.conf" <<'UNIT'
[Unit]
StopWhenUnneeded=no

[Service]
ExecStart=
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --persistence-mode --verbose

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable nvidia-persistenced.service
    # A GPU that does not answer fails it too, and says more about the reason.
    systemctl restart nvidia-persistenced.service || {
        require_answer
        fail "nvidia-persistenced does not start" "" "read \`journalctl -u nvidia-persistenced\` on the machine"
    }
}

# Machines with NVSwitch (p4d, p5, ND) answer cuInit with error 802 until the fabric manager of exactly this version runs.
install_fabricmanager() {
    local version name packages=()
    version="$(userspace_version)"
    for name in "nvidia-fabricmanager-$BRANCH" "libnvidia-nscq-$BRANCH"; do
        packages+=("$name=$(apt-cache madison "$name" | awk -v v="$version" 'index($3, v "-") == 1 { print $3 }' | sed -n 1p)")
    done
    if [[ " ${packages[*]} " == *"= "* ]]; then
        fail "the fabric manager cannot be installed" "no nvidia-fabricmanager-$BRANCH has the driver's version $version" \
            "choose the driver branch that Ubuntu has both for, or wait until it has been published"
    fi
    apt_get install --allow-change-held-packages "${packages[@]}"
    systemctl enable --now nvidia-fabricmanager.service
}

# A stage that leaves a GPU which does not answer has not succeeded. Xid 119 and 120 are the GSP's, the fault that turning
# its firmware off avoids on g4dn, g5 and g5g.
require_answer() {
    local said xid
    said="$(nvidia-smi -L 2>&1)" && return
    xid="$(dmesg | grep -E 'NVRM: Xid \(.*\): (119|120),' | tail -n 1 || true)"
    if [[ -n "$xid" ]]; then
        fail "the GPU does not answer" "its system processor (GSP) has failed: $xid" \
            "reboot the machine; if it happens again, set GPUCLOUD_DRIVER_GSP to off and the flavour to proprietary"
    fi
    fail "the GPU does not answer" "nvidia-smi says: ${said//$'\n'/ }" "read \`dmesg\` on the machine"
}

main() {
    require_gpu
    if check; then
        echo "a working driver is installed"
        return
    fi
    if is_of_the_image; then
        use_image_driver
        return
    fi
    require_known_switches
    settle_flavour
    write_module_options
    if available "$(module_packages "$KERNEL")"; then
        require_branch
        require_module_for_userspace
        install_precompiled
        require_same_version
    else
        install_dkms
    fi
    remove_nouveau
    unload_stale_modules
    load_modules
    require_loaded_version
    enable_persistence
    require_answer
    if has_nvswitch; then
        install_fabricmanager
    fi
    prepare_next_kernel
    hold_kernel_and_driver
    write_cdi_spec
}

if [[ "${1:-}" == --check ]]; then check; else main; fi
