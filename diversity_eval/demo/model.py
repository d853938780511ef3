"""The demo's checkpoint: trained at the first call, then kept."""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from diversity_eval.demo.pretraining import DemoRecipe, pretrain
from diversity_eval.errors import DiversityEvalError
from diversity_eval.prompting.delimiters import chat_template

__all__ = ["MODEL_PREFIX", "build_demo_model", "demo_model"]

MODEL_PREFIX = "demo-model-"
"""What the name of a demo model's folder in the cache begins with."""

# Written last, so that a checkpoint without it is one that was interrupted.
_COMPLETE = "diversity_eval_demo.txt"
_CHECKPOINT_FILES = frozenset(
    {
        _COMPLETE,
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
    }
)


def demo_model(cache_folder: Path | None = None) -> Path:
    """The folder of the demo's checkpoint, built if there is none yet from the same recipe.

    It lies in `cache_folder`, by default `$XDG_CACHE_HOME/diversity-eval` or `~/.cache/diversity-eval`.
    """
    if cache_folder is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache_folder = Path(cache) / "diversity-eval"
    return build_demo_model(cache_folder / f"{MODEL_PREFIX}{DemoRecipe().digest()}")


def build_demo_model(folder: Path, *, seed: int = 0, progress: bool = True) -> Path:
    """Train the tiny causal language model and save it as a Hugging Face checkpoint in `folder`.

    Takes less than a minute on two cores. The tokenizer carries this project's chat template, as a
    fine-tuned checkpoint of this project does. An existing complete checkpoint of the same
    recipe is left as it is; an unfinished one or one of another recipe is built anew, beside it and then
    moved, so that no other process sees half of one. Raises DiversityEvalError if torch or transformers
    are missing, or if the folder holds files that are none of a checkpoint's.
    """
    recipe = DemoRecipe(seed=seed)
    if _is_complete(folder, recipe):
        return folder
    _refuse_foreign(folder)
    if missing := [name for name in ("torch", "transformers") if find_spec(name) is None]:
        raise DiversityEvalError(
            f"the demo trains a model and needs {' and '.join(missing)}: pip install 'diversity-eval[hf]'"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    result = pretrain(recipe, progress=progress)
    result.tokenizer.chat_template = chat_template()
    building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        result.model.save_pretrained(building)
        result.tokenizer.save_pretrained(building)
        (building / _COMPLETE).write_text(
            f"{_recipe_mark(recipe)} final loss {result.final_loss:.3f} nats a token\n", encoding="utf-8"
        )
        if folder.exists() and not _is_complete(folder, recipe):
            _refuse_foreign(folder)
            shutil.rmtree(folder)
        try:
            building.rename(folder)
        except OSError:  # another process finished the same checkpoint first
            if not _is_complete(folder, recipe):
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _recipe_mark(recipe: DemoRecipe) -> str:
    return f"recipe {recipe.digest()},"


def _is_complete(folder: Path, recipe: DemoRecipe) -> bool:
    mark = folder / _COMPLETE
    return mark.is_file() and mark.read_text(encoding="utf-8").startswith(_recipe_mark(recipe))


def _refuse_foreign(folder: Path) -> None:
    """Building anew deletes what the folder holds, so it must hold nothing but a checkpoint's files."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DiversityEvalError(f"{folder} is a file; the demo model needs a folder: name another one")
    if foreign := sorted(path.name for path in folder.iterdir() if path.name not in _CHECKPOINT_FILES):
        raise DiversityEvalError(
            f"{folder} holds {foreign[0]}, which is no part of the demo model, and building would delete it; "
            "name a new or an empty folder"
        )
