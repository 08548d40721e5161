#!/bin/sh
# install.sh STATE <bundle.tar.gz: put the bundle in its place as root and start the runner.
# While a runner is at work its bundle stays as it is; `start` then does nothing either.
set -eu

state=$1
mkdir -p "$state"
new=$(mktemp -d "$state/.bundle.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 0755 "$new"
tar -xzf - -C "$new" --no-same-owner
if flock --nonblock "$state/runner.lock" true; then
    rm -rf "$state/bundle"
    mv "$new" "$state/bundle"
fi
GPUCLOUD_STATE_DIR=$state python3 "$state/bundle/runner.py" start </dev/null
