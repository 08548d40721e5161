"""How plans, machines, reports and receipts look."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpucloud.cli.render import Format, aligned, document, for_world, paint, rows, table

if TYPE_CHECKING:
    from gpucloud.cli.live import View
    from gpucloud.machine import Machine
    from gpucloud.ops.context import Context
    from gpucloud.ops.down import Receipt, Wanted
    from gpucloud.ops.offers import Offer
    from gpucloud.ops.planning import Plan
    from gpucloud.ops.undo import Interrupted
    from gpucloud.ops.up import Outcome, Prepared
    from gpucloud.sandbox.client import SandboxInfo
    from gpucloud.verify.report import Report

MACHINE_COLUMNS = {
    "name": "name",
    "state": "state",
    "type": "type",
    "gpu": "GPU",
    "region": "region",
    "address": "address",
    "launched_at": "up since",
    "expires_at": "expires",
    "usd_per_hour": "$/h",
    "usd_so_far": "so far",
}
_MARKS = {"ok": ("✓", "32"), "warn": ("!", "33"), "fail": ("✗", "31"), "skip": ("·", "2")}


def plan_facts(plan: Plan) -> dict[str, Any]:
    """The plan as JSON: what will be made, with which stack, at what price."""
    spec, stack, price = plan.spec, plan.stack, plan.price
    stages = [stage["id"] for stage in plan.stages["stages"]]
    return {
        "name": spec.name,
        "run": plan.run,
        "cloud": plan.cloud,
        "region": spec.region,
        "type": spec.type,
        "gpu": plan.type.gpu.name,
        "gpu_count": plan.type.count,
        "gpu_memory_gb": plan.type.memory_gb,
        "vcpus": plan.type.vcpus,
        "image": spec.image,
        "disk_gb": spec.disk_gb,
        "spot": spec.spot,
        "ttl_minutes": spec.ttl_minutes,
        "driver": f"{stack.branch} {stack.flavour}",
        "torch": stack.torch if "torch" in stages else None,
        "cuda": stack.cuda if "torch" in stages else None,
        "stages": stages,
        "usd_per_hour": price.usd if price else None,
        "price_as_of": price.as_of if price else None,
    }


def intent(prepared: Prepared, context: Context, screen: View) -> None:
    """What is about to be made, or to be brought to the plan."""
    if prepared.existing is None:
        plan(prepared.plan, context, screen)
    else:
        existing(prepared.existing, prepared.plan, screen)


def plan(decided: Plan, context: Context, screen: View) -> None:
    """Three lines before anything is made: what, where, with what, for how much."""
    from gpucloud import money
    from gpucloud.durations import format_duration

    facts = plan_facts(decided)
    price = money.per_hour(decided.price) if decided.price else "price unknown"
    billed = f"nothing is billed; the real one: {price}" if context.simulated else price
    gpus = f"{facts['gpu_count']:g} × {facts['gpu']} {facts['gpu_memory_gb']:g} GB"
    kind = "spot" if facts["spot"] else "on-demand"
    where = f"{'sandbox ' if context.simulated else ''}{facts['region']}"
    after = format_duration(facts["ttl_minutes"]) if facts["ttl_minutes"] else ""
    screen.say(f"{facts['name']}: {facts['type']} ({gpus}), {kind}, {where}{_end(decided, after, context)}")
    indent = " " * len(facts["name"])
    screen.say(f"{indent}  {billed}")
    torch = f"torch {facts['torch']}, " if facts["torch"] else ""
    stack = f"driver {facts['driver']}, {torch}stages {' '.join(facts['stages'])}"
    screen.say(f"{indent}  {facts['image']}, {facts['disk_gb']} GB, {stack}")


def _end(decided: Plan, after: str, context: Context) -> str:
    """What becomes of the machine at the end of its lifetime, where it has one."""
    from gpucloud import money

    if not after:
        return ""
    if money.end_of_life(decided.cloud) == "terminated":
        return f", ends by itself after {after}"
    stays = f"{money.what_stays(decided.cloud)} until `gpucloud down {decided.spec.name}`"
    return for_world(f", is deallocated after {after}: {stays}", simulated=context.simulated)


def offers(found: Sequence[Offer], screen: View) -> None:
    """What was considered, the cheapest first; an arrow at what is taken, if anything can be had."""
    heading = ("", "cloud", "type", "region", "zone", "$/h", "price of", "vCPUs free", "can it be had?")
    taken = next((each for each in found if not each.problems), None)
    for line in aligned([heading, *(_offer(each, each is taken) for each in found)]):
        screen.say(line)


def _offer(offer: Offer, taken: bool) -> tuple[str, ...]:
    facts = offer.to_dict()
    price = f"{facts['usd_per_hour']:.4g}" if facts["usd_per_hour"] is not None else "unknown"
    answer = "; ".join(": ".join(filter(None, (each.what, each.why))) for each in offer.problems) or "yes"
    place = (facts["cloud"], facts["type"], facts["region"], facts["zone"])
    quota = f"{offer.headroom.free}/{offer.headroom.limit}" if offer.headroom else ""
    return ("→" if taken else " ", *place, price, facts["price_as_of"] or "", quota, answer)


def existing(machine: Machine, decided: Plan, screen: View) -> None:
    """Two lines in place of the plan's: what is there stays what it is, and gets the plan's stages."""
    end = _moment(machine.expires_at.astimezone().isoformat()) if machine.expires_at else "never (no --ttl)"
    screen.say(f"{machine.name} exists: {machine.type} in {machine.zone}, {machine.state}, ends {end}")
    stages = " ".join(stage["id"] for stage in decided.stages["stages"])
    screen.say(f"{' ' * len(machine.name)}  disk, image and lifetime stay; it is brought through the stages {stages}")


def prepared(decided: Plan, exists: bool, output: Format, considered: Sequence[Offer] = ()) -> None:
    """The end of a dry run. `considered` are the offers among which the plan was chosen."""
    if output is not Format.TABLE:
        choice = {"offers": [each.to_dict() for each in considered]} if considered else {}
        document({**plan_facts(decided), **choice, "exists": exists, "dry_run": True}, output)
    elif exists:
        sys.stdout.write(
            f"dry run: {decided.spec.name} exists; `up` would bring it to this plan. Nothing was changed.\n"
        )
    else:
        sys.stdout.write("dry run: every check passed, nothing was made.\n")


def outcome_facts(done: Outcome) -> dict[str, Any]:
    """The end of `up` as JSON: the machine as `ls` shows it, how long it took, and what verify found."""
    from gpucloud.ops import listing

    facts = listing.row(done.machine).to_dict()
    return {**facts, "seconds": round(done.seconds, 1), "verify": done.report.to_dict()}


def outcome(done: Outcome, output: Format) -> None:
    """The end of `up`: the machine and how to use it."""
    machine = done.machine
    if output is not Format.TABLE:
        document(outcome_facts(done), output)
        return
    if len(done.attempts) > 1:
        table([("zone", "attempt"), *((zone, why or "launched") for zone, why in done.attempts)])
    sys.stdout.write(f"{done.report.summary}\n")
    ready = f"ready in {done.seconds:.0f} s: `gpucloud ssh {machine.name}`; when done: `gpucloud down {machine.name}`"
    sys.stdout.write(for_world(ready, simulated=done.report.simulated) + "\n")


def machines(context: Context, found: Sequence[Machine], output: Format) -> None:
    """Machines as `ls` shows them."""
    from gpucloud.ops import listing

    listed = [listing.row(machine).to_dict() for machine in found]
    if output is Format.TABLE:
        listed = [_for_people(each) for each in listed]
    rows(listed, output, MACHINE_COLUMNS, empty="no machines")
    if context.simulated and found and output is Format.TABLE:
        sys.stderr.write("[simulated] sandbox machines; prices are what the real ones would cost\n")


def _for_people(listed: dict[str, Any]) -> dict[str, Any]:
    from gpucloud.money import format_usd

    running = listed["state"] not in ("stopping", "stopped")
    end = "" if listed["ends_by"] in (None, "terminated") else f" ({listed['ends_by']})"
    return {
        **listed,
        "state": paint("halted, still billed", "31") if listed["state"] == "halted" else listed["state"],
        "launched_at": _moment(listed["launched_at"]) if running else "",
        "expires_at": _moment(listed["expires_at"]) + end,
        "usd_so_far": format_usd(listed["usd_so_far"]) if running else "",
    }


def _moment(iso: str | None) -> str:
    """Local time to the minute: machines live for hours."""
    return iso[:16].replace("T", " ") if iso else ""


def fresh_page() -> bool:
    """On a terminal the next listing takes the place of the last one; elsewhere it follows it. Was the page wiped?"""
    if sys.stdout.isatty():
        sys.stdout.write("\033[H\033[2J")
    return sys.stdout.isatty()


def interrupted(context: Context, runs: Sequence[Interrupted]) -> None:
    """A remark after a listing: what was left half made, and what to do about it."""
    for each in runs:
        remark = f"run {each.run} ({each.name}) was interrupted: `gpucloud recover` removes what it made"
        sys.stderr.write(for_world(remark, simulated=context.simulated) + "\n")


def would_remove(wanted: Wanted, output: Format) -> None:
    """The end of `down --dry-run`, or of a `down` that finds nothing where it could look."""
    columns = {key: key for key in ("name", "run", "cloud", "region", "what")}
    listed = [{key: getattr(each, key) for key in columns} for each in wanted.targets]
    rows(listed, output, columns, empty="" if wanted.unasked else "there is nothing to remove")


def recovered(removed: Mapping[str, Sequence[str]], output: Format) -> None:
    """What `recover` removed, by run."""
    listed = [{"run": run, "removed": list(names)} for run, names in removed.items()]
    if output is not Format.TABLE:
        document(listed, output)
    elif not listed:
        sys.stderr.write("no interrupted run\n")
    for run, names in removed.items() if output is Format.TABLE else ():
        sys.stdout.write(f"{run}: {', '.join(names) + ' removed' if names else 'nothing was left of it'}\n")


def sandbox(info: SandboxInfo, output: Format) -> None:
    """Where the sandbox is and how to use it from other programs."""
    listed = {
        "endpoint": info.endpoint,
        "scenario": info.scenario,
        "state": info.state,
        "pid": info.pid,
        "ssh_port": info.ssh_port,
        "access_key": info.access_key,
        "secret_key": info.secret_key,
        "azure_endpoint": info.azure_endpoint,
        "azure_ca": info.azure_ca,
        "azure_tenant": info.azure_tenant,
        "azure_client_id": info.azure_client_id,
        "azure_client_secret": info.azure_client_secret,
        "azure_subscription": info.azure_subscription,
        "folder": str(info.state_dir),
    }
    if output is not Format.TABLE:
        document(listed, output)
        return
    table([("sandbox", "[simulated]"), *((key, str(value)) for key, value in listed.items())])


def reports(found: Sequence[Report], output: Format) -> None:
    """What verify found: a line per check, with cause and remedy under what is not well."""
    if output is not Format.TABLE:
        document([report.to_dict() for report in found], output)
        return
    for report in found:
        _report(report)


def _report(report: Report) -> None:
    width = max(len(check.layer.value) for check in report.checks)
    for check in report.checks:
        mark, style = _MARKS[check.status.value]
        sys.stdout.write(f"{paint(mark, style)} {check.layer.value:<{width}}  {check.what}\n")
        indent = " " * (width + 4)
        for label, text in (("", check.cause), ("fix: ", check.remedy)):
            if text:
                sys.stdout.write(f"{indent}{label}{text}\n")
    sys.stdout.write(paint(report.summary, "32" if report.ok else "31") + "\n")


def receipts(found: Sequence[Receipt], output: Format) -> None:
    """What is gone, piece by piece, and what is not."""
    from gpucloud.ops.find import short_id

    if output is not Format.TABLE:
        document([receipt.to_dict() for receipt in found], output)
        return
    for receipt in found:
        lines = [(receipt.name, receipt.region, "")]
        lines += [(each.kind, short_id(each.id), "gone") for each in receipt.gone]
        lines += [(each.kind, each.id, f"STILL THERE: {reason}") for each, reason in receipt.remains]
        if receipt.error:
            lines.append(("", "", f"NOT FINISHED: {receipt.error}"))
        table(lines)
