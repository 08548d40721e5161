"""Print every fact that `gpucloud verify` needs about this machine, as one JSON document on one line.

Run as root: `python3 - [options] < probe.py`, or by hand. Stdlib only, Python >= 3.8. It changes nothing, except that
the container section may pull one small image. A failing command is a fact `{rc, stdout, stderr}`, never an exception:
rc 127 means that there is no such command, 124 that it did not answer in time (seconds: see TIMEOUT).
"""

import argparse
import concurrent.futures
import glob
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

SCHEMA = 1
# Without persistence mode nvidia-smi can take more than 25 s on 8-GPU machines; the first import of torch takes 12 s.
TIMEOUT = {"default": 10, "smi": 60, "torch": 150, "torch deep": 400, "docker": 60, "pull": 180}
NVIDIA_VENDOR, DISPLAY_CLASSES = "0x10de", ("0x0300", "0x0302")
# Where torch lives: our own environment, the PyTorch DLAMI's, the system's.
PYTHONS = ("/opt/gpucloud/venv/bin/python", "/opt/pytorch/bin/python", "/usr/bin/python3")
# nvidia-smi is brought in by the toolkit and needs glibc: not alpine. 30 MB, and NVIDIA's own sample workload.
IMAGE = "ubuntu:22.04"
SMI_FIELDS = (
    "name,uuid,pci.bus_id,driver_version,memory.total,memory.used,persistence_mode,mig.mode.current,ecc.mode.current,"
    "ecc.errors.uncorrected.volatile.sram,ecc.errors.uncorrected.volatile.dram,pcie.link.gen.current,pcie.link.gen.max,"
    "pcie.link.width.current,pcie.link.width.max,clocks_event_reasons.active,temperature.gpu,power.draw"
)
KERNEL_LINES = re.compile(r"NVRM|nvidia|nouveau|module verification|Lockdown|Loading of (unsigned )?module", re.I)
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
XID = re.compile(r"NVRM: Xid \((?P<bus>[^)]*)\): (?P<code>\d+),? ?(?P<text>.*)")

TORCH_PROGRAM = r"""
import json, subprocess, sys, time
DEEP = sys.argv[1:] == ["deep"]
facts = {"python": sys.executable, "python_version": sys.version.split()[0]}

def attempt(name, action, into=facts):
    try:
        into[name] = action()
    except Exception as error:
        into[name + "_error"] = type(error).__name__ + ": " + str(error)

def kernel(index):
    "The same product on the GPU twice and once on the CPU, in full fp32."
    torch.manual_seed(20)
    a, b = torch.randn(256, 256), torch.randn(256, 256)
    device = "cuda:%d" % index
    first = (a.to(device) @ b.to(device)).cpu()
    second = (a.to(device) @ b.to(device)).cpu()
    return {"max_abs_error": float((first - a @ b).abs().max()), "repeats": bool(torch.equal(first, second))}

def gpu(index):
    found = {"index": index}
    attempt("name", lambda: torch.cuda.get_device_name(index), found)
    attempt("capability", lambda: "%d.%d" % tuple(torch.cuda.get_device_capability(index)), found)
    attempt("kernel", lambda: kernel(index), found)
    if DEEP and "kernel" in found:
        attempt("bandwidth_gb_s", lambda: bandwidth(index), found)
        attempt("fp16_tflop_s", lambda: fp16(index, found), found)
    return found

def seconds(index, action, times):
    action()
    torch.cuda.synchronize(index)
    begin = time.perf_counter()
    for _ in range(times):
        action()
    torch.cuda.synchronize(index)
    return (time.perf_counter() - begin) / times

def bandwidth(index):
    "Device-to-device copy: each byte is read once and written once."
    source = torch.ones(2 ** 28, dtype=torch.float32, device="cuda:%d" % index)
    target = torch.empty_like(source)
    return round(2 * source.numel() * 4 / seconds(index, lambda: target.copy_(source), 30) / 1e9, 1)

def fp16(index, found):
    a = torch.randn(8192, 8192, dtype=torch.float16, device="cuda:%d" % index)
    each = seconds(index, lambda: a @ a, 30)
    # PCIe drops its generation at idle: read it while about two seconds of queued work keep the GPU busy.
    for _ in range(min(1000, 1 + int(2 / each))):
        a @ a
    attempt("pcie_under_load", lambda: pcie(index), found)
    torch.cuda.synchronize(index)
    return round(2 * 8192 ** 3 / each / 1e12, 1)

def pcie(index):
    "Generation and width, as nvidia-smi says them: `3, 16`."
    gpu = "GPU-" + str(torch.cuda.get_device_properties(index).uuid)
    query = "--query-gpu=pcie.link.gen.current,pcie.link.width.current"
    argv = ["nvidia-smi", "-i", gpu, query, "--format=csv,noheader,nounits"]
    return subprocess.check_output(argv, timeout=60).decode().strip()

import torch
facts["version"], facts["cuda"] = str(torch.__version__), torch.version.cuda
attempt("available", lambda: bool(torch.cuda.is_available()))
attempt("arch_list", lambda: list(torch.cuda.get_arch_list()))
if facts.get("available"):
    torch.set_float32_matmul_precision("highest")
    facts["gpus"] = [gpu(index) for index in range(torch.cuda.device_count())]
else:
    attempt("init", lambda: torch.cuda.init())
print(json.dumps(facts))
"""


def run(argv, timeout=TIMEOUT["default"]):
    """The command's end as a fact. Never raises, never waits for a process that the kernel does not let die."""
    env = dict(os.environ, LC_ALL="C.UTF-8", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        return {"rc": 127, "stdout": "", "stderr": "%s: %s" % (argv[0], error.strerror)}
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return end_of(process, argv[0], timeout)
    return {"rc": process.returncode, "stdout": clean(stdout), "stderr": clean(stderr)}


def end_of(process, name, timeout):
    """Kill the command's whole group. A GPU fault can leave nvidia-smi in the kernel for ever: then leave it there."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        process.communicate(timeout=1)
        fate = ""
    except subprocess.TimeoutExpired:
        fate = ", and cannot be killed: it hangs in the kernel"
    return {"rc": 124, "stdout": "", "stderr": "%s: no answer within %g s%s" % (name, timeout, fate)}


def clean(output):
    return output.decode("utf-8", "replace").strip()


def read(path):
    """The file's text, or an empty string when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def names(folder):
    """What the folder holds, sorted; nothing when there is no such folder."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def machine():
    release = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    return {
        "hostname": platform.node(),
        "os": release.get("PRETTY_NAME", "").strip('"'),
        "os_id": release.get("ID", "").strip('"'),
        "os_version": release.get("VERSION_ID", "").strip('"'),
        "arch": platform.machine(),
        "python": platform.python_version(),
        "boot_id": read("/proc/sys/kernel/random/boot_id"),
        "product": read("/sys/class/dmi/id/product_name"),
    }


def release_key(release):
    return [int(number) for number in re.findall(r"\d+", release)]


def module_files(release):
    """The nvidia.ko files for a kernel: precompiled (kernel/nvidia-580srv…) or DKMS (updates/dkms)."""
    wanted = {"nvidia.ko" + suffix for suffix in ("", ".xz", ".zst", ".gz")}
    walk = os.walk("/lib/modules/" + release)
    return sorted(os.path.join(top, name) for top, _, files in walk for name in files if name in wanted)


def kernel():
    """GRUB boots the newest /boot/vmlinuz-*. Where /boot holds none, the newest folder of /lib/modules is taken."""
    command = run(["uname", "-r"])
    running = command["stdout"]
    booted = [os.path.basename(path)[len("vmlinuz-") :] for path in glob.glob("/boot/vmlinuz-*")]
    installed = sorted(booted or names("/lib/modules"), key=release_key)
    newest = installed[-1] if installed else running
    pending = newest if release_key(newest) > release_key(running) else ""
    return {
        "running": running,
        "command": command,
        "installed": installed,
        "pending": pending,
        "running_modules": module_files(running) if running else [],
        "pending_modules": module_files(pending) if pending else [],
        "headers": bool(running) and os.path.exists("/lib/modules/%s/build/Makefile" % running),
    }


def secure_boot():
    """`enabled` is None on a machine without the firmware's variable: four bytes of attributes, then the value."""
    try:
        with open(SECURE_BOOT, "rb") as file:
            value = file.read()
    except OSError as error:
        return {"enabled": None, "why": "%s: %s" % (SECURE_BOOT, error.strerror)}
    return {"enabled": value[4:] == b"\x01"}


def pci():
    root = "/sys/bus/pci/devices"
    found = []
    for address in names(root):
        kind = read("%s/%s/class" % (root, address))[:6]
        if read("%s/%s/vendor" % (root, address)) == NVIDIA_VENDOR and kind in DISPLAY_CLASSES:
            device = read("%s/%s/device" % (root, address))
            link = "%s/%s/driver" % (root, address)
            driver = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
            found.append({"address": address, "device_id": device, "class": kind, "driver": driver})
    return found


def module():
    # initstate is there for loadable modules only, and says `live` once the module has started.
    states = {name: read("/sys/module/%s/initstate" % name) for name in names("/sys/module")}
    loaded = sorted(name for name in states if re.match(r"nvidia|nouveau|gdrdrv", name) and states[name] == "live")
    libraries = glob.glob("/usr/lib/*/libnvidia-ml.so.*.*") + glob.glob("/usr/lib*/libnvidia-ml.so.*.*")
    versions = sorted({path.split(".so.", 1)[1] for path in libraries}, key=release_key)
    switches = names("/proc/driver/nvidia-nvswitch/devices")
    return {
        "loaded": loaded,
        "loaded_version": read("/sys/module/nvidia/version"),
        "proc_version": read("/proc/driver/nvidia/version"),
        "modinfo": run(["modinfo", "-F", "version", "nvidia"]),
        "licence": run(["modinfo", "-F", "license", "nvidia"])["stdout"],
        "signer": run(["modinfo", "-F", "signer", "nvidia"])["stdout"],
        "taint": read("/sys/module/nvidia/taint"),
        "userspace_version": versions[-1] if versions else "",
        "dkms": run(["dkms", "status"]),
        "nvswitches": len(switches),
        "fabricmanager": run(["systemctl", "is-active", "nvidia-fabricmanager"]) if switches else None,
    }


def smi():
    """One query. Drivers before 535.54 know the clock reasons by another name only."""
    fields = SMI_FIELDS
    command = run(smi_query(fields), TIMEOUT["smi"])
    if command["rc"] != 0 and "clocks_event_reasons" in command["stdout"] + command["stderr"]:
        fields = fields.replace("clocks_event_reasons", "clocks_throttle_reasons")
        command = run(smi_query(fields), TIMEOUT["smi"])
    keys = [field.replace("clocks_throttle_reasons", "clocks_event_reasons") for field in fields.split(",")]
    rows = [line.split(", ") for line in command["stdout"].splitlines()] if command["rc"] == 0 else []
    # zip(strict=) needs Python 3.10; the lengths are compared instead.
    return {"query": command, "gpus": [dict(zip(keys, row)) for row in rows if len(row) == len(keys)]}  # noqa: B905


def smi_query(fields):
    return ["nvidia-smi", "--query-gpu=" + fields, "--format=csv,noheader,nounits"]


def devices():
    return sorted(path for path in glob.glob("/dev/nvidia*") if not os.path.isdir(path))


def has_torch(python):
    program = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    return run([python, "-c", program])["rc"] == 0


def torch(wanted, deep):
    """The answer of TORCH_PROGRAM under the wanted interpreter, else the first of PYTHONS that has torch."""
    candidates = [wanted] if wanted else PYTHONS
    python = next((each for each in candidates if os.path.exists(each) and has_torch(each)), "")
    if not python:
        return {"installed": False, "looked_in": list(candidates)}
    argv = [python, "-c", TORCH_PROGRAM] + (["deep"] if deep else [])
    command = run(argv, TIMEOUT["torch deep" if deep else "torch"])
    answer = [line for line in command["stdout"].splitlines() if line.startswith("{")]
    return dict({"installed": True, "python": python, "command": command}, **(json.loads(answer[-1]) if answer else {}))


def container(image):
    docker, toolkit = shutil.which("docker"), shutil.which("nvidia-ctk")
    facts = {"image": image, "docker": docker, "nvidia_ctk": toolkit, "daemon_json": read("/etc/docker/daemon.json")}
    facts["cdi_specs"] = [path for folder in ("/etc/cdi", "/var/run/cdi") for path in glob.glob(folder + "/*nvidia*")]
    if toolkit:
        facts["toolkit_version"] = run(["nvidia-ctk", "--version"])
    if docker:
        facts["info"] = run(["docker", "info", "--format", "{{json .Runtimes}}"])
    if docker and facts["info"]["rc"] == 0:
        facts.update(workload(image, bool(facts["cdi_specs"])))
    return facts


def workload(image, cdi):
    """Run nvidia-smi in a container, with --gpus and, when that fails and there are CDI specs, through CDI."""
    facts = {"pull": None}
    if run(["docker", "image", "inspect", image])["rc"] != 0:
        facts["pull"] = run(["docker", "pull", "--quiet", image], TIMEOUT["pull"])
        if facts["pull"]["rc"] != 0:
            return facts
    facts["run"] = run(["docker", "run", "--rm", "--gpus", "all", image, "nvidia-smi", "-L"], TIMEOUT["docker"])
    if facts["run"]["rc"] != 0 and cdi:
        argv = ["docker", "run", "--rm", "--device", "nvidia.com/gpu=all", image, "nvidia-smi", "-L"]
        facts["run_cdi"] = run(argv, TIMEOUT["docker"])
    return facts


def kernel_log():
    """The kernel's lines about the GPU, and the Xids in them: what follows the `)` of `NVRM: Xid (PCI:…): CODE, …`."""
    command = run(["dmesg"])
    lines = [line for line in command.pop("stdout").splitlines() if KERNEL_LINES.search(line)]
    xids = [match.groupdict() for match in map(XID.search, lines) if match]
    return {
        "command": command,
        "lines": lines[-200:],
        "xids": [{"code": int(xid["code"]), "bus": xid["bus"], "text": xid["text"]} for xid in xids],
    }


def guarded(section):
    """The document must come out whatever one section meets, so an unforeseen error is a fact too."""
    try:
        return section()
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}


def sections(options):
    every = {
        "machine": machine,
        "kernel": kernel,
        "secure_boot": secure_boot,
        "pci": pci,
        "module": module,
        "smi": smi,
        "devices": devices,
        "holds": lambda: run(["apt-mark", "showhold"]),
        "torch": lambda: torch(options.python, options.deep),
        "container": lambda: container(options.image),
    }
    return {name: section for name, section in every.items() if name not in options.skip}


def collect(options):
    """All sections at once: most of the time goes by in torch and docker, which do not need each other."""
    begin = time.monotonic()
    chosen = sections(options)
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        running = {name: pool.submit(guarded, section) for name, section in chosen.items()}
        document = {name: future.result() for name, future in running.items()}
    # Last, so that it shows what the GPU said about the work of the other sections.
    document["kernel_log"] = guarded(kernel_log)
    document.update(
        schema=SCHEMA,
        simulated=os.path.exists("/etc/gpucloud-sim/hardware.json"),
        deep=options.deep,
        skipped=sorted(options.skip),
        taken_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=round(time.monotonic() - begin, 3),
    )
    return document


def parse_options(argv):
    parser = argparse.ArgumentParser(prog="probe.py", description="Print the facts about this GPU machine as JSON.")
    parser.add_argument("--deep", action="store_true", help="also measure bandwidth, fp16 rate and PCIe under load")
    parser.add_argument("--skip", default="", metavar="SECTION,…", help="torch, container: leave these out")
    parser.add_argument("--python", default="", help="the interpreter that has torch (default: the first of several)")
    parser.add_argument("--image", default=IMAGE, help="what to run nvidia-smi in (default: %(default)s)")
    options = parser.parse_args(argv)
    options.skip = {name for name in options.skip.split(",") if name}
    if options.skip - {"torch", "container"}:
        parser.error("--skip takes torch and container only")
    return options


if __name__ == "__main__":
    print(json.dumps(collect(parse_options(sys.argv[1:])), sort_keys=True))
