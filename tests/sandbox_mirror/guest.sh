#!/usr/bin/env bash
# Run a script in a copy-on-write view of this host with the simulated machine in it, in mounts of its own:
#   unshare --mount --pid --fork --kill-child --propagation private bash guest.sh FILES COMMANDS KERNEL SCRIPT [ARG…]
# FILES is a folder with what guest_files returned, COMMANDS the folder of simulated commands.
set -euo pipefail
files=$1 commands=$2 kernel=$3
shift 3
work=/mnt
mount -t tmpfs tmpfs "$work"
root=$work/root
for name in usr etc var opt; do
    mkdir -p "$work/up/$name" "$work/wk/$name" "$root/$name"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=$work/up/$name,workdir=$work/wk/$name" "$root/$name"
done
for name in bin sbin lib lib64 lib32; do
    if [[ -L /$name ]]; then ln -s "$(readlink "/$name")" "$root/$name"; fi
done
mkdir -p "$root"/{proc,dev,tmp,run,home,root,sys,boot}
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for name in null zero random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/sys"
mount -t tmpfs tmpfs "$root/usr/local"
mkdir -p "$root"/usr/local/{bin,sbin}
mount -t tmpfs tmpfs "$root/proc/driver"
mkdir -p "$root/run/gpucloud-sim"
printf '%s\n' "$kernel" >"$root/run/osrelease"
touch "$root/run/modules"
mount --bind "$root/run/osrelease" "$root/proc/sys/kernel/osrelease"
if [[ -e $root/proc/modules ]]; then mount --bind "$root/run/modules" "$root/proc/modules"; fi
rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
cp -r "$files/." "$root/"
cp "$commands"/* "$root/usr/sbin/"
printf '#!/bin/sh\n[ "$1" = -r ] && exec cat /proc/sys/kernel/osrelease\nexec /usr/bin/uname.real "$@"\n' >"$root/usr/local/bin/uname"
cp "$root/usr/bin/uname" "$root/usr/bin/uname.real"
# No service manager here: units are not started.
printf '#!/bin/sh\nexit 0\n' | tee "$root/usr/local/bin/systemctl" >"$root/usr/local/bin/cloud-init"
chmod 755 "$root"/usr/local/bin/{uname,systemctl,cloud-init}
cp "$1" "$root/tmp/script"
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    bash /tmp/script "$@"
