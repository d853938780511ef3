"""A registry of its own for each test that adds to it, and a loss of a user's in it."""

import pytest

from diversity_eval.training.losses import register_loss, registry
from tests.training.losses.heads import OWN, focal_of_ones_own


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered in the test is forgotten after it."""
    monkeypatch.setattr(registry, "_LOSSES", dict(registry._LOSSES))


@pytest.fixture
def own_loss(own_registry: None) -> None:
    """A loss of a user's: the fused loss knows nothing of it but the function."""
    register_loss(OWN, focal_of_ones_own)
