"""What all cards begin with and say of licences."""

import re
from collections.abc import Sequence
from pathlib import Path

from diversity_eval.training.checkpoints.licences import license_fields
from diversity_eval.training.checkpoints.markdown import code, front_matter, text

__all__ = ["base_license_lines", "front", "is_hub_id"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def is_hub_id(name: str) -> bool:
    """Whether a name can be a model's or data set's on the Hub, and is no folder here."""
    return _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def front(
    base: str,
    card: Path | None,
    library: str,
    tags: Sequence[str],
    relation: str,
    datasets: Sequence[str] = (),
) -> str:
    """The YAML head. A base that is a folder of this machine is left out of it: the Hub refuses such names.

    The licence is the base's where its card names one, else `other`: whoever publishes the checkpoint has to
    look.
    """
    license = license_fields(card)
    if "license" not in license:
        license = {"license": "other", "license_name": "see-the-base-model"}
    hub = is_hub_id(base)
    return front_matter(
        {
            **license,
            "base_model": base if hub else None,
            "base_model_relation": relation if hub else None,
            "library_name": library,
            "pipeline_tag": "text-generation",
            "datasets": list(datasets),
            "tags": list(tags),
        }
    )


def base_license_lines(base: str, card: Path | None) -> list[str]:
    """What is known of the base model's licence, as paragraphs."""
    fields = license_fields(card)
    named = fields.get("license_name") or fields.get("license")
    stated = f"its card says {code(named)}" if named else "its card names none, or is not here"
    link = f" ({text(fields['license_link'])})" if "license_link" in fields else ""
    return [
        f"This is derived from {code(base)}, whose licence applies: {stated}{link}. Check the base model's "
        "licence before you publish or use this.\n"
    ]
