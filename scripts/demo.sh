#!/usr/bin/env bash
# The main job from start to end in the embedded cloud. Every command shown is one that a user would type.
#   demo.sh [aws|azure]
set -euo pipefail

case ${1:-aws} in
    aws) type=g4dn.xlarge ;;
    azure) type=Standard_NC4as_T4_v3 ;;
    *)
        printf 'error: no demo for %q\nfix: aws or azure, as in make demo CLOUD=azure\n' "$1" >&2
        exit 2
        ;;
esac

# A state folder of its own: the demo neither sees nor touches the machines of an earlier sandbox.
XDG_STATE_HOME=$(mktemp -d)
XDG_CONFIG_HOME=$XDG_STATE_HOME
export XDG_STATE_HOME XDG_CONFIG_HOME
trap 'gpucloud sandbox stop 2>/dev/null || true; rm -rf "$XDG_STATE_HOME"' EXIT
for name in $(compgen -v GPUCLOUD_ || true); do unset "$name"; done
export GPUCLOUD_SSH_CONFIG=off # the demo leaves the user's ~/.ssh alone

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi

show() {
    printf '\n%s$ gpucloud --sandbox %s%s\n' "$bold" "$*" "$plain"
    gpucloud --sandbox "$@"
}

show up "$type" --name demo --ttl 8h
show ls
show exec demo -- nvidia-smi
show stop demo --yes
show start demo
show verify demo
show down demo --yes
show ls
printf '\nDone in %s s. Nothing is left, and nothing was billed: all of it ran on this computer.\n' "$SECONDS"
