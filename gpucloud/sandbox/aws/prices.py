"""Prices, which moto does not have: list prices of the product's catalogue, spot prices simulated from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from gpucloud.catalog import types as catalog
from gpucloud.sandbox.aws.wire import ApiError, Call

SPOT_SHARE = 0.4  # [simulated] a typical spot price is 30-50 % of the list price; the zones differ by up to 10 %


def on_demand(region: str, type_name: str) -> float | None:
    """USD an hour, or None where the catalogue does not know."""
    wanted = catalog.every().get(type_name.lower())
    found = catalog.price(wanted, region) if wanted and wanted.cloud == "aws" else None
    return found.usd if found else None


def spot(region: str, zone: str, type_name: str) -> float | None:
    """[simulated] USD an hour in a zone: the same for the same zone always, or None without a list price."""
    base = on_demand(region, type_name)
    if base is None:
        return None
    shake = hashlib.sha256(f"{zone}/{type_name}".encode()).digest()[0] / 255
    return base * SPOT_SHARE * (0.95 + shake / 10)


def get_products(call: Call) -> dict[str, Any]:
    if call.fields.get("ServiceCode") != "AmazonEC2":
        raise ApiError("NotFoundException", "The sandbox knows the prices of AmazonEC2 only")
    wanted = {item["Field"]: item["Value"] for item in call.fields.get("Filters", [])}
    products = [json.dumps(product) for product in _products(wanted)]
    return {"FormatVersion": "aws_v1", "PriceList": products}


def _products(wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    region = wanted.get("regionCode", "us-east-1")
    for each in catalog.every().values():
        usd = on_demand(region, each.name)
        attributes = _attributes(each, region)
        if usd is not None and all(attributes.get(field) == value for field, value in wanted.items()):
            yield _product(each.name, attributes, usd)


def _attributes(each: catalog.InstanceType, region: str) -> dict[str, str]:
    return {
        "instanceType": each.name,
        "regionCode": region,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "tenancy": "Shared",
        "vcpu": str(each.vcpus or ""),
        "gpu": str(each.count or ""),
    }


def _product(name: str, attributes: dict[str, str], usd: float) -> dict[str, Any]:
    sku = hashlib.sha256(json.dumps(attributes).encode()).hexdigest()[:16].upper()
    rate = {"unit": "Hrs", "description": f"[simulated] {name}", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    offer = {"sku": sku, "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": rate}}
    return {
        "product": {"productFamily": "Compute Instance", "sku": sku, "attributes": attributes},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": offer}},
    }


ACTIONS = {"GetProducts": get_products}
