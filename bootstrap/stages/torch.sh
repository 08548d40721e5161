#!/usr/bin/env bash
# PyTorch in /opt/gpucloud/venv, through uv: five times faster than pip. Needs no driver, so it runs beside its stage.
# GPUCLOUD_TORCH_VERSION (2.15.0), GPUCLOUD_TORCH_INDEX (empty: PyPI, else e.g. cu126), GPUCLOUD_PYTHON (3.12)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

HOME_DIR="$ROOT/opt/gpucloud"
VENV="$HOME_DIR/venv"
UV="$HOME_DIR/bin/uv"
INDEX="${GPUCLOUD_TORCH_INDEX:-}"
# The builds of PyTorch's own indexes carry its name, PyPI's carry none: 2.14.1+cu126 and 2.15.0.
VERSION="${GPUCLOUD_TORCH_VERSION:?names the torch to install}${INDEX:++$INDEX}"
# Not below /root: the login user must be able to read the interpreter that the environment points to.
export UV_PYTHON_INSTALL_DIR="$HOME_DIR/python" UV_NO_PROGRESS=1

# The installed version of a distribution, from its metadata: importing torch takes seconds.
version_of() {
    "$VENV/bin/python" -c 'import sys; from importlib.metadata import version; print(version(sys.argv[1]))' "$1" 2>/dev/null
}

check() {
    [[ "$(version_of torch)" == "$VERSION" ]] && version_of numpy >/dev/null
}

install_uv() {
    if ! "$UV" --version >/dev/null 2>&1; then
        python3 "$(dirname "${BASH_SOURCE[0]}")/../fetch_uv.py" "$GPUCLOUD_PYPI_URL" "$UV" ||
            fail_for_now "uv cannot be installed" "no wheel for this machine came from $GPUCLOUD_PYPI_URL" \
                "check that the machine reaches it, or name a mirror in /etc/gpucloud/mirrors.env"
    fi
}

# Never with --compile-bytecode: it doubles the time, and Python compiles what is used anyway.
install_torch() {
    local indexes=(--default-index "$GPUCLOUD_PYPI_URL")
    if [[ -n "$INDEX" ]]; then
        indexes+=(--index "$GPUCLOUD_TORCH_URL/$INDEX")
    fi
    "$UV" pip install --python "$VENV/bin/python" "${indexes[@]}" "torch==$VERSION" numpy
}

require_cuda_build() {
    local torch
    torch="$(version_of torch)"
    if [[ "$torch" == *+cpu ]]; then
        fail "torch $torch cannot use the GPU" "the package index served a CPU-only wheel" \
            "name a build for CUDA in the profile, e.g. \`torch: 2.7.1+cu118\`, or leave torch out"
    fi
}

main() {
    install_uv
    if [[ ! -x "$VENV/bin/python" ]]; then
        "$UV" venv --python "${GPUCLOUD_PYTHON:-3.12}" "$VENV"
    fi
    install_torch
    require_cuda_build
}

if [[ "${1:-}" == --check ]]; then check; else main; fi
