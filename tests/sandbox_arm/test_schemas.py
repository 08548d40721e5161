"""schemas.json says what the installed SDKs say."""

from __future__ import annotations

import pytest

from tests.sandbox_arm import generate_schemas

pytestmark = pytest.mark.slow


def test_the_schemas_are_those_of_the_installed_sdks() -> None:
    generated = generate_schemas.text()
    assert generate_schemas.FILE.read_text() == generated, "run `python -m tests.sandbox_arm.generate_schemas`"
