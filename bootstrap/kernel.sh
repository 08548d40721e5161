# shellcheck shell=bash
# shellcheck disable=SC2034  # the stages use the variables
# The running kernel, the ones that follow it, and the packages of their NVIDIA modules.
# Sourced by stages/driver.sh after lib.sh; BRANCH, FLAVOUR and userspace_version are the driver's.

KERNEL="$(uname -r)"
CLOUD="${KERNEL#*-*-}" # 6.8.0-1035-aws -> aws, 6.8.0-1044-azure-fde -> azure-fde
SERIES="${KERNEL%%-*}" SERIES="${SERIES%.*}" # 6.8.0-1035-aws -> 6.8

# kernel_line: which kernels the machine is given, as the names of its kernel metapackages end: azure (the cloud's
# newest), azure-lts-22.04, azure-6.8 …. Another line's metapackage would change the kernel under the machine.
kernel_line() {
    local line
    line="$(installed "linux-image-$CLOUD" "linux-image-$CLOUD-*" | sed -n '1s/^linux-image-\([^ ]*\) .*/\1/p')"
    echo "${line:-$CLOUD}"
}

# module_line: the machine's kernel line, or where Ubuntu has no modules under its name, the one of the running series.
module_line() {
    local line
    line="$(kernel_line)"
    if ! available "$(module_packages "$line")" && available "$(module_packages "$CLOUD-$SERIES")"; then
        line="$CLOUD-$SERIES"
    fi
    echo "$line"
}

# module_packages SUFFIX: the modules for one kernel (SUFFIX is its release) or for a line's newest (SUFFIX aws).
module_packages() {
    if [[ "$FLAVOUR" == open ]]; then
        echo "linux-modules-nvidia-$BRANCH-server-open-$1"
    else
        echo "linux-modules-nvidia-$BRANCH-server-$1"
    fi
}

# candidate PACKAGE FIELD: what the archive's newest version of a package says.
candidate() {
    apt-cache show --no-all-versions "$1" | sed -n "s/^$2: //p" | sed -n 1p
}

# The archive keeps only the newest userspace, and the modules of older kernels depend on the one that they were built
# for: apt would call that "held broken packages". A newer kernel has the right modules.
require_module_for_userspace() {
    local common="nvidia-kernel-common-$BRANCH-server" module userspace
    module="$(candidate "$(module_packages "$KERNEL")" Depends | sed -n "s/.*$common (>= \([^)]*\)).*/\1/p")"
    userspace="$(candidate "nvidia-utils-$BRANCH-server" Version | cut -d- -f1)"
    if [[ -n "$module" && "$module" != "$userspace" ]]; then
        take_newer_kernel "$module" "$userspace"
    fi
}

# take_newer_kernel MODULE USERSPACE: the versions that do not fit together.
take_newer_kernel() {
    local line
    line="$(module_line)"
    apt_get install --allow-change-held-packages "linux-image-$line" "$(module_packages "$line")"
    request_reboot "the module for kernel $KERNEL is version $1, the userspace is $2" \
        "wait until Ubuntu has published modules of version $2, or choose another driver branch"
}

installed_module_version() {
    modinfo -F version nvidia 2>/dev/null || true
}

# The proprietary modules accept any newer userspace package, which then refuses to work with them.
require_same_version() {
    local module userspace
    module="$(installed_module_version)" userspace="$(userspace_version)"
    if [[ -n "$userspace" && "$module" != "$userspace" ]]; then
        take_newer_kernel "${module:-none}" "$userspace"
    fi
}

# The next kernel gets its modules through a metapackage, or the headers to compile them with.
prepare_next_kernel() {
    local package
    package="$(module_packages "$(module_line)")"
    if [[ -n "$(installed 'nvidia-dkms*')" ]]; then
        package="linux-headers-$(kernel_line)"
    fi
    if available "$package"; then
        apt_get install --allow-change-held-packages "$package"
    else
        echo "there is no package $package, so a newer kernel would come without a module; this one is held"
    fi
}

# Kernel and driver stay as they are until somebody changes both together.
hold_kernel_and_driver() {
    local held line
    line="$(kernel_line)"
    mapfile -t held < <(installed "linux-$line" "linux-image-$line" "linux-headers-$line" "linux-image-$KERNEL" \
        "nvidia-*-$BRANCH*" "libnvidia-*-$BRANCH*" "linux-*-nvidia-*" | cut -d' ' -f1)
    if ((${#held[@]})); then
        apt-mark hold "${held[@]}"
    fi
}

# The variable is four bytes of attributes and one that is 1 when the firmware loads only what a key of its own signed.
secure_boot_is_on() {
    local variable="$ROOT/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    [[ -r "$variable" && "$(od -An -t u1 -j 4 -N 1 "$variable" | tr -d ' ')" == 1 ]]
}

SECURE_BOOT_REMEDY="choose a driver branch that Ubuntu has signed modules of, or turn Secure Boot off (on Azure, while the \
machine is deallocated: \`az vm update -g GROUP -n NAME --enable-secure-boot false\`)"
