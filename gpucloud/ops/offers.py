"""What the clouds offer for a GPU: the cheapest types of each, whether they can be had, and the cheapest that can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gpucloud.errors import CapacityError, ExitStatus, GpucloudError, NoCredentials, PreflightFailed, Problem
from gpucloud.machine import Headroom
from gpucloud.ops import clouds, find, planning, undo
from gpucloud.ops.context import Context
from gpucloud.ops.planning import Plan
from gpucloud.ops.request import Request
from gpucloud.ops.up import Prepared
from gpucloud.parallel import in_parallel
from gpucloud.progress import Status
from gpucloud.providers.base import Provider
from gpucloud.saga import REFUSALS

T = TypeVar("T")


@dataclass(frozen=True)
class Offer:
    """A plan, the provider that has been asked about it, and what stands in its way: nothing means it can be had."""

    plan: Plan
    provider: Provider
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.plan.spec.type} in {self.plan.spec.region}"

    @property
    def headroom(self) -> Headroom | None:
        """What the quota still allows, if the preflight got to know."""
        return self.provider.headroom(self.plan.spec)

    @property
    def prepared(self) -> Prepared:
        """The plan, ready to be carried out."""
        return Prepared(self.plan, self.provider, None)

    def to_dict(self) -> dict[str, Any]:
        """The keys are an interface. USD per hour; None is unknown."""
        plan = self.plan
        return {
            "cloud": plan.cloud,
            "type": plan.spec.type,
            "region": plan.spec.region,
            "zone": plan.spec.zone,
            "spot": plan.spec.spot,
            "usd_per_hour": plan.price.usd if plan.price else None,
            "price_as_of": plan.price.as_of if plan.price else None,
            "quota_vcpus_free": self.headroom.free if self.headroom else None,
            "quota_vcpus": self.headroom.limit if self.headroom else None,
            "available": not self.problems,
            "problems": [{"what": each.what, "why": each.why} for each in self.problems],
        }


def with_type_of_existing(context: Context, request: Request) -> Request:
    """The request for a machine that exists names its type: there is nothing to choose."""
    if request.type or request.name not in undo.known_names(context.state):
        return request
    machine = find.by_name(find.candidates(context, [request.name]), request.name)
    return replace(request, type=machine.type) if machine else request


def survey(context: Context, request: Request, count: int = 1) -> list[Offer]:
    """The offers for `count` machines of a request that names no type, the cheapest first.

    Each one is preflighted, all at once.

    A cloud without credentials is left out, with a remark. Raises its error if there is no other, UsageError if
    nothing fits.
    """
    plans = planning.candidates(context, request)
    regions = {plan.cloud: plan.spec.region for plan in plans}
    providers = {cloud: context.provider(cloud, region) for cloud, region in regions.items()}
    context.tell("offers", "preflight", Status.START, ", ".join(plan.spec.type for plan in plans))
    offers = in_parallel(lambda plan: _offer(plan, providers[plan.cloud], count), plans)
    context.tell("offers", "preflight", Status.DONE, f"{len(had(offers))} of {len(offers)} can be had")
    by_cloud = {cloud: [offer for offer in offers if offer.plan.cloud == cloud] for cloud in providers}
    asked = clouds.sorted_out(context, {cloud: _refusal(found) or found for cloud, found in by_cloud.items()})
    return [offer for offer in offers if offer.plan.cloud in asked.given]


def _offer(plan: Plan, provider: Provider, count: int) -> Offer:
    try:
        problems = provider.preflight(replace(plan.spec, count=count))
    except GpucloudError as error:
        problems = [Problem(error.what, error.why, error.remedy, error.status)]
    return Offer(plan, provider, tuple(problems))


def _refusal(offers: Sequence[Offer]) -> NoCredentials | None:
    """The error of a cloud that lets nobody in: nothing but the credentials stands in the way of each offer.

    Expired ones are as good as none for somebody who looks for a machine to make.
    """
    problems = [problem for offer in offers for problem in offer.problems]
    open_ones = [offer for offer in offers if not offer.problems]
    if open_ones or any(problem.status is not ExitStatus.CREDENTIALS for problem in problems):
        return None
    return NoCredentials(problems[0].what, problems[0].why, problems[0].remedy)


def had(offers: Sequence[Offer]) -> list[Offer]:
    """Those that can be had."""
    return [offer for offer in offers if not offer.problems]


def cheapest(offers: Sequence[Offer]) -> Offer:
    """The first that can be had. Raises PreflightFailed with what stands in the way of each."""
    for offer in had(offers):
        return offer
    raise PreflightFailed(list(dict.fromkeys(problem for offer in offers for problem in offer.problems)))


def take(context: Context, offers: Sequence[Offer], make: Callable[[Prepared], T]) -> T:
    """`make` of the cheapest offer, or of the next one whenever a cloud answers that it has no such machine left.

    Such an answer means that nothing was made. A run that the user named is made once: a cloud may take a second try
    for a repetition of the first. Raises CapacityError with every attempt.
    """
    attempts: list[tuple[str, str]] = []
    able = [cheapest(offers), *had(offers)[1:]]
    if able[-1].plan.run == able[0].plan.run:
        del able[1:]
    for offer in able:
        try:
            return make(offer.prepared)
        except REFUSALS as error:
            if len(able) == 1:
                raise
            attempts.append((offer.name, str(error)))
            context.tell(offer.plan.spec.name, "offer", Status.NOTE, f"{offer.name}: {error}")
    raise CapacityError(
        "none of the offers could be had", f"{len(attempts)} tried", "try later, or loosen --gpu", attempts
    )
