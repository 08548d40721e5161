"""The kernel module: is it loaded now, and will the kernel of the next boot have one?"""

from __future__ import annotations

from gpucloud.verify.checks.packages import branch, module_package
from gpucloud.verify.expectation import Expectation
from gpucloud.verify.facts import Facts
from gpucloud.verify.report import Check, Layer, failed, passed, warned

Reason = tuple[str, str]

# What the kernel and modprobe say when a module's signature is missing or unknown.
REJECTED = (
    "Loading of unsigned module is rejected",
    "Key was rejected by service",
    "Loading of module with unavailable key is rejected",
)


def check_module(facts: Facts, expected: Expectation) -> list[Check]:
    if not facts.is_loaded("nvidia"):
        what = f"the nvidia module is not loaded in kernel {facts.kernel}"
        return [failed(Layer.MODULE, what, *not_loaded(facts, expected))]
    version = facts.loaded_version or "of unknown version"
    loaded = passed(Layer.MODULE, f"module nvidia {version} is loaded in kernel {facts.kernel}")
    return [loaded, *next_boot(facts, expected)]


def not_loaded(facts: Facts, expected: Expectation) -> Reason:
    """Why the module is not loaded, and what to do: the most telling cause first."""
    return (
        nouveau(facts)
        or not_installed(facts, expected)
        or no_module_file(facts, expected)
        or signature(facts, expected)
        or unsuited(facts, expected)
        or refused_to_load(facts)
    )


def nouveau(facts: Facts) -> Reason | None:
    if not facts.is_loaded("nouveau"):
        return None
    return (
        "the nouveau driver is loaded and holds the GPU",
        "`echo blacklist nouveau | sudo tee /etc/modprobe.d/blacklist-nouveau.conf && sudo update-initramfs -u`, "
        "then `sudo rmmod nouveau && sudo modprobe nvidia`; if rmmod says that it is in use, reboot",
    )


def not_installed(facts: Facts, expected: Expectation) -> Reason | None:
    if facts.userspace_version or dkms(facts) or module_exists(facts) or facts.command("smi.query").rc != 127:
        return None
    package = module_package(facts, expected)
    return (
        "the NVIDIA driver is not installed: no nvidia-smi, no driver libraries, no module for this kernel",
        f"`sudo apt-get install {package} nvidia-utils-{branch(facts, expected)}-server && sudo modprobe nvidia`",
    )


def no_module_file(facts: Facts, expected: Expectation) -> Reason | None:
    if module_exists(facts):
        return None
    missing = f"no nvidia module for kernel {facts.kernel}"
    headers = f"linux-headers-{facts.kernel}"
    if dkms(facts) and not facts.get("kernel.headers"):
        return (
            f"{missing}: DKMS could not build one, for want of the kernel's headers",
            f"`sudo apt-get install {headers} && sudo dkms autoinstall && sudo modprobe nvidia`",
        )
    if dkms(facts):
        return (
            f"{missing}: the DKMS build failed ({dkms(facts)})",
            "read /var/lib/dkms/nvidia/*/build/make.log, then `sudo dkms autoinstall && sudo modprobe nvidia`",
        )
    return (
        f"{missing}: the kernel is newer than the driver packages",
        f"`sudo apt-get install {module_package(facts, expected)} && sudo modprobe nvidia`; if there is no such "
        f"package, `sudo apt-get install {headers} nvidia-dkms-{branch(facts, expected)}-server`",
    )


def signature(facts: Facts, expected: Expectation) -> Reason | None:
    said = next((line for text in REJECTED if (line := facts.logged(text))), "")
    signer = facts.text("module.signer")
    if not said and not (facts.get("secure_boot.enabled") and not signer):
        return None
    which = f"nvidia module, whose signer the firmware does not know ({signer})" if signer else "unsigned nvidia module"
    return (
        f"Secure Boot refuses the {which}{': ' + said if said else ''}",
        f"install Canonical's signed module: `sudo apt-get install {module_package(facts, expected)}`, and remove "
        "nvidia-dkms; or turn Secure Boot off for the machine (on Azure, while it is deallocated: "
        "`az vm update -g GROUP -n NAME --enable-secure-boot false`)",
    )


def unsuited(facts: Facts, expected: Expectation) -> Reason | None:
    """The driver looked at the GPU and wants nothing to do with it."""
    server = f"{branch(facts, expected)}-server"
    if facts.logged("not supported by open"):
        return "this GPU has no GSP, so the open module flavour does not drive it", (
            f"install the proprietary flavour: `sudo apt-get install linux-modules-nvidia-{server}-{facts.kernel}`"
        )
    if facts.logged("requires use of the NVIDIA open kernel modules"):
        return "this GPU needs the open module flavour", (
            f"`sudo apt-get install linux-modules-nvidia-{server}-open-{facts.kernel}`"
        )
    if said := facts.logged("Legacy drivers"):
        return f"this GPU is too old for driver branch {branch(facts, expected)}: {said}", (
            "install the branch that the kernel log names: 470 for Kepler, 580 for Maxwell to Volta"
        )
    return None


def refused_to_load(facts: Facts) -> Reason:
    """The module is there. The kernel's last words about it are the best cause that we have."""
    said = facts.logged("NVRM", last=True)
    if said:
        return f"the module did not start: {said}", "`sudo modprobe nvidia`, then read `sudo dmesg | grep -i nvrm`"
    return "the module is installed, but nothing loaded it", "`sudo modprobe nvidia && sudo modprobe nvidia-uvm`"


def next_boot(facts: Facts, expected: Expectation) -> list[Check]:
    pending = facts.text("kernel.pending")
    if not pending:
        return []
    if facts.rows("kernel.pending_modules"):
        return [passed(Layer.MODULE, f"kernel {pending} of the next boot has an nvidia module")]
    return [
        warned(
            Layer.MODULE,
            f"kernel {pending} of the next boot has no nvidia module",
            "a kernel update brought no matching driver package: after a reboot the driver would not load",
            f"`sudo apt-get install {module_package(facts, expected, pending)}` before the next reboot",
        )
    ]


def module_exists(facts: Facts) -> bool:
    """Whether the running kernel has an nvidia module on disk."""
    return facts.command("module.modinfo").ok or bool(facts.rows("kernel.running_modules"))


def dkms(facts: Facts) -> str:
    """The line of `dkms status` about nvidia, or an empty string."""
    return next((line for line in facts.command("module.dkms").stdout.splitlines() if line.startswith("nvidia")), "")
