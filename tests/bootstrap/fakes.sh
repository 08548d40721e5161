#!/bin/bash
# Every system command that the stages call, as one script that looks at the name it was called by.
# $WORLD/calls records each call; $WORLD/archive and $WORLD/installed hold `package version` lines, $WORLD/depends `package dependencies`; $WORLD/faults names faults.
name="${0##*/}"
modules="$GPUCLOUD_ROOT/sys/module"
fault() { grep -qx "$1" "$WORLD/faults"; }
loaded() { [[ -e "$modules/${1//-/_}" ]]; }
version_in() { awk -v name="$1" '$1 == name { print $2 }' "$WORLD/$2" | sed -n 1p; }
driver_works() { loaded nvidia && [[ -n "$(version_in nvidia-utils-580-server installed)" || -e "$WORLD/prebuilt" ]] && ! fault gsp-xid; }

record() {
    local suffix=
    if [[ $name == modprobe && -e "$GPUCLOUD_ROOT/etc/modprobe.d/gpucloud-nvidia.conf" ]]; then suffix=" [GSP off]"; fi
    if [[ "$name $1" == "systemctl "* && -e "$GPUCLOUD_ROOT/etc/docker/daemon.json" ]]; then suffix=" [configured]"; fi
    echo "$name $*$suffix" >>"$WORLD/calls"
}

install_packages() {
    local word package
    for word; do
        package="${word%%=*}"
        if [[ -z "$(version_in "$package" archive)" ]]; then
            echo "E: Unable to locate package $package"
            exit 100
        fi
    done
    for word; do
        package="${word%%=*}"
        if [[ -z "$(version_in "$package" installed)" ]]; then
            echo "$package $(version_in "$package" archive)" >>"$WORLD/installed"
        fi
        for tool in "$WORLD/brings/$package"/*; do
            if [[ -e $tool ]]; then cp -P "$tool" "$WORLD/bin/"; fi
        done
    done
}

apt_get() {
    local word verb="" packages=()
    for word; do
        case "$word" in
        update) verb=update ;;
        install) verb=install ;;
        -* | DPkg::* | Dpkg::* | Acquire::*) ;;
        *) packages+=("$word") ;;
        esac
    done
    name=apt-get record "$verb" "${packages[@]}"
    if [[ $verb == install ]]; then install_packages "${packages[@]}"; fi
}

load() {
    if fault "$1-missing"; then return; fi
    mkdir -p "$modules/${1//-/_}"
    echo live >"$modules/${1//-/_}/initstate"
    if [[ $1 == nvidia ]]; then
        if fault version-mismatch; then echo 580.1.1
        elif [[ -s "$WORLD/prebuilt" ]]; then cat "$WORLD/prebuilt"
        else version_in nvidia-utils-580-server installed | sed 's/-.*//'; fi >"$modules/nvidia/version"
    fi
}

case "$name" in
apt-get) apt_get "$@" ;;
apt-cache)
    version="$(version_in "${!#}" archive)"
    case "$1" in
    show) [[ -n "$version" ]] && echo "Version: $version" && sed -n "s/^${!#} /Depends: /p" "$WORLD/depends" ;;
    policy) echo "  Candidate: $version" ;;
    madison) awk -v name="$2" '$1 == name { print name " | " $2 " | archive" }' "$WORLD/archive" ;;
    esac
    ;;
apt-mark) if [[ $1 == hold ]]; then record "$@" && printf '%s\n' "${@:2}" >>"$WORLD/held"; else cat "$WORLD/held"; fi ;;
dpkg) cat "$WORLD/architecture" ;;
dpkg-query)
    shift 2
    while read -r package version; do
        for pattern; do
            # shellcheck disable=SC2053
            if [[ $package == $pattern ]]; then echo "ii  $package $version" && break; fi
        done
    done <"$WORLD/installed"
    ;;
uname) cat "$WORLD/kernel" ;;
modprobe)
    record "$@"
    if fault key-rejected; then echo "modprobe: ERROR: could not insert '$1': Key was rejected by service" >&2 && exit 1; fi
    load "$1"
    ;;
rmmod) record "$@" && ! fault "$1-in-use" && rm -r "${modules:?}/${1//-/_}" ;;
modinfo) if [[ -e "$WORLD/module-version" ]]; then cat "$WORLD/module-version"; else version_in nvidia-utils-580-server installed | sed 's/-.*//'; fi ;;
dmesg) if fault gsp-xid; then echo "NVRM: Xid (PCI:0000:00:1e): 119, pid=1, Timeout waiting for RPC from GSP"; fi ;;
nvidia-smi)
    driver_works || { echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." && exit 9; }
    if [[ $1 == --query* ]]; then cat "$modules/nvidia/version"; else echo "GPU 0: Tesla T4"; fi
    ;;
id) cat "$WORLD/groups" ;;
getent) echo "ubuntu:x:1000:1000::/home/ubuntu:/bin/bash" ;;
usermod) record "$@" && echo "ubuntu docker" >"$WORLD/groups" ;;
systemctl) record "$@" && ! { fault gsp-xid && [[ "$*" == "restart nvidia-persistenced.service" ]]; } ;;
docker) if [[ $1 != info ]]; then record "$@"; fi ;;
*) record "$@" ;;
esac
