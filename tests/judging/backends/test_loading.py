from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import loading
from tests.judging.backends.conftest import judge

WORK = loading._ROOM_TO_WORK


def weights(checkpoint: Path) -> int:
    """The bytes of all tensors, counted with the library that wrote them."""
    from safetensors import safe_open

    with safe_open(str(checkpoint / "model.safetensors"), "pt") as file:
        return sum(tensor.numel() * tensor.element_size() for tensor in map(file.get_tensor, file.keys()))


def test_the_size_is_that_of_the_tensors(long_checkpoint: Path, tmp_path: Path) -> None:
    size = weights(long_checkpoint)
    assert loading.needed_bytes(judge(tmp_path, long_checkpoint, dtype="auto")) == size + WORK
    assert loading.needed_bytes(judge(tmp_path, long_checkpoint, dtype="float32")) == size + WORK
    assert loading.needed_bytes(judge(tmp_path, long_checkpoint, dtype="bfloat16")) == size // 2 + WORK


def test_nf4_takes_about_half_a_byte_for_inner_matrices_and_two_for_the_rest(
    sliding_checkpoint: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    config = judge(tmp_path, sliding_checkpoint, quantization="nf4", dtype="auto")
    needed = loading.needed_bytes(config)
    assert needed is not None
    model, _ = loading.load_model(config)
    in_memory = sum(p.numel() * p.element_size() for p in model.parameters())
    assert needed - WORK == pytest.approx(in_memory, rel=0.05)
    full = AutoModelForCausalLM.from_pretrained(sliding_checkpoint)
    assert in_memory < 0.6 * sum(p.numel() * p.element_size() for p in full.parameters()) / 2


def test_a_judge_that_does_not_fit_is_refused_before_loading(
    long_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "available_bytes", lambda device: 2**29)
    with pytest.raises(DiversityEvalError, match=r"needs about 1\.0 GiB on cpu, where 0\.5 GiB are free"):
        loading.load_model(judge(tmp_path, long_checkpoint))


def test_free_memory_is_what_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    free = loading.available_bytes("cpu")
    assert free is not None
    assert free == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x05\x00\x00\x00\x00\x00\x00\x00[1,2]"])
def test_a_file_that_is_no_safetensors_has_no_size(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert loading._header(tmp_path / "model.safetensors") == {}


def test_a_model_that_is_not_here_is_not_checked(tmp_path: Path) -> None:
    assert loading.needed_bytes(judge(tmp_path, "nobody/nothing")) is None


def test_an_unknown_dtype_is_named(long_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="dtype 'float7': expected auto, float32"):
        loading.load_model(judge(tmp_path, long_checkpoint, dtype="float7"))


def test_what_the_signature_says_of_the_weights_has_to_be_true(long_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"says awq-int4, but the weights of .* are not quantised"):
        loading.load_model(judge(tmp_path, long_checkpoint, quantization="awq-int4"))
    model, tokenizer = loading.load_model(judge(tmp_path, long_checkpoint, quantization="nf4", dtype="auto"))
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    with pytest.raises(DiversityEvalError, match="is quantised, but `quantization` says none"):
        loading.load_model(judge(tmp_path, tmp_path / "saved", dtype="auto"))
    loading.load_model(judge(tmp_path, tmp_path / "saved", dtype="auto", quantization="bnb-nf4-checkpoint"))


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "meta", "gpu"])
def test_a_device_that_is_not_here(device: str, long_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=f"there is no device '{device}' here; expected auto, cpu"):
        loading.load_model(judge(tmp_path, long_checkpoint, device=device))
