# Powers the machine off at a fixed time, with nothing but the machine's own systemd.
#   arm TIME      at every boot, before sshd: TIME counts unless the machine already has one
#   extend TIME   later: TIME replaces the one that the machine has
# TIME is UTC, YYYY-MM-DDTHH:MM:SSZ. `shutdown -P +N` would not do: it asks logind, which is not up that early.
set -eu

verb=$1 wanted=$2
root=${GPUCLOUD_ROOT:-}
expires=$root/etc/gpucloud/expires
units=$root/etc/systemd/system
grace=600 # seconds that a machine gets which is started after its time, so that `extend` can reach it

mkdir -p "${expires%/*}" "$units/timers.target.wants"
if [ "$verb" = extend ] || [ ! -s "$expires" ]; then
    printf '%s\n' "$wanted" >"$expires.new"
    mv "$expires.new" "$expires"
fi

due=$(date -u -d "$(cat "$expires")" +%s)
earliest=$(($(date -u +%s) + grace))
if [ "$verb" = arm ] && [ "$due" -lt "$earliest" ]; then
    due=$earliest
fi

cat >"$units/gpucloud-expire.service" <<UNIT
[Unit]
Description=gpucloud: the lifetime of this machine is over

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl poweroff
UNIT
cat >"$units/gpucloud-expire.timer" <<UNIT
[Unit]
Description=gpucloud: power off at the end of the lifetime

[Timer]
OnCalendar=$(date -u -d "@$due" '+%Y-%m-%d %H:%M:%S UTC')
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
UNIT
# By hand: `systemctl enable` needs more of a running system than there is at this moment.
ln -sf ../gpucloud-expire.timer "$units/timers.target.wants/gpucloud-expire.timer"

systemctl daemon-reload
if [ "$verb" = arm ]; then
    # cloud-init itself runs before sysinit.target, which the timer waits for: without --no-block both would hang.
    systemctl start --no-block gpucloud-expire.timer
else
    systemctl restart gpucloud-expire.timer
fi
