import copy
import math
import re
from typing import Any

import pytest
import torch

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.losses import check_loss
from diversity_eval.training.output_layer import (
    LossChoice,
    OutputLayer,
    compute_loss_in_forward,
    read_output_layer,
)
from tests.training.architectures import ARCHITECTURES, CAPS, SCALES, VOCABULARY, build
from tests.training.token_losses import reference_loss

# A loss with a weight that is not 0 for most tokens of an untrained model.
LOSSES: dict[str, dict[str, float]] = {
    "tofu": {"gamma": 3.0, "beta": 0.8},
    "pr": {"lambda": 0.5, "alpha": 0.3},
}


def batch() -> dict[str, torch.Tensor]:
    """Two rows, the second padded; the first has two responses."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, VOCABULARY, (2, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    labels = ids.clone()
    labels[0, :3] = labels[0, 6:8] = labels[1, :4] = labels[1, 9:] = -100
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}


def with_loss(model: Any, name: str, parameters: dict[str, float], *, fused: bool = True) -> Any:
    layer = read_output_layer(model, "model") if fused else OutputLayer(None, 1.0)
    compute_loss_in_forward(model, LossChoice(name, check_loss(name, parameters), fused), layer)
    return model


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def relative_error(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The Frobenius norm of the difference of all gradients by that of the expected."""
    assert found.keys() == expected.keys()
    difference = sum(float(((found[key] - expected[key]).double() ** 2).sum()) for key in expected)
    norm = sum(float((expected[key].double() ** 2).sum()) for key in expected)
    assert norm > 0
    return math.sqrt(difference / norm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_fused_loss_is_that_of_the_models_own_logits(name: str) -> None:
    plain = build(name)
    layer = read_output_layer(plain, name)
    assert layer == OutputLayer(CAPS.get(name), SCALES.get(name, 1.0))
    inputs = batch()
    for loss, parameters in LOSSES.items():
        fused = with_loss(build(name), loss, parameters)
        found = fused(**inputs, token_loss=True, num_items=torch.tensor(20))
        found["loss"].backward()
        plain.zero_grad()
        arguments = {key: inputs[key] for key in ("input_ids", "attention_mask")}
        logits = plain(**arguments, use_cache=False).logits
        expected = reference_loss(loss, logits, inputs["labels"], items=20, **parameters)
        torch.autograd.backward(expected)
        assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-6)
        assert relative_error(gradients(fused), gradients(plain)) < 5e-6
        assert float(expected) > 1e-3


@pytest.mark.parametrize("fused", [True, False])
def test_what_the_tokens_were_like(fused: bool) -> None:
    model = build("gemma 2, soft caps")
    inputs = batch()
    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits.double()
    p_label = entropy = 0.0
    counted = (inputs["labels"] != -100).nonzero().tolist()
    for row, place in counted:
        p = logits[row, place - 1].softmax(0)
        p_label += float(p[inputs["labels"][row, place]])
        entropy -= float((p * p.log()).sum())
    found = with_loss(model, "tofu", {}, fused=fused)(**inputs, token_loss=True)
    assert int(found["tokens"]) == len(counted) == 12
    assert float(found["p_label"]) == pytest.approx(p_label, rel=1e-5)
    assert float(found["entropy"]) == pytest.approx(entropy, rel=1e-5)
    # without a number of items it is the mean
    assert float(found["loss"]) == pytest.approx(
        float(reference_loss("tofu", logits, inputs["labels"])), rel=1e-5
    )


@pytest.mark.parametrize("loss", ["ce", "focal", "gem", "pr", "tofu"])
def test_the_loss_of_all_logits_is_the_reference_too(loss: str) -> None:
    model = build("cohere, scaled logits")
    inputs = batch()
    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    expected = float(reference_loss(loss, logits, inputs["labels"], items=7))
    for fused in (True, False):
        found = with_loss(copy.deepcopy(model), loss, {}, fused=fused)(**inputs, token_loss=True, num_items=7)
        assert float(found["loss"]) == pytest.approx(expected, rel=2e-6)


def test_without_token_loss_the_model_is_what_it_was() -> None:
    model = build("llama tied")
    inputs = batch()
    before = model(**inputs)
    with_loss(model, "tofu", {})
    after = model(**inputs)
    assert torch.equal(before.logits, after.logits)
    assert torch.equal(before.loss, after.loss)
    ids = model.generate(inputs["input_ids"][:1], max_new_tokens=3, do_sample=False)
    assert ids.shape == (1, 15)


def test_a_batch_in_which_nothing_counts() -> None:
    model = with_loss(build("llama"), "tofu", {})
    inputs = batch()
    inputs["labels"] = torch.full_like(inputs["labels"], -100)
    found = model(**inputs, token_loss=True)
    assert float(found["loss"]) == 0
    found["loss"].backward()
    assert all(bool((each == 0).all()) for each in gradients(model).values())


@pytest.mark.parametrize("fused", [True, False])
def test_nothing_predicts_the_first_token(fused: bool) -> None:
    model = with_loss(build("llama"), "pr", LOSSES["pr"], fused=fused)
    inputs = batch()
    expected = model(**inputs, token_loss=True)
    inputs["labels"][1, 0] = 7  # a response of one token, with nothing in front
    found = model(**inputs, token_loss=True)
    assert {key: float(value.detach()) for key, value in found.items()} == {
        key: float(value.detach()) for key, value in expected.items()
    }


@pytest.mark.parametrize("fused", [True, False])
def test_what_is_said_before_a_token_that_does_not_count_has_no_gradient(fused: bool) -> None:
    model = with_loss(build("llama"), "ce", {}, fused=fused)
    inputs = batch()
    hidden: list[torch.Tensor] = []

    def keep(module: Any, _: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        hidden.append(output)

    model.model.norm.register_forward_hook(keep)
    model(**inputs, token_loss=True)["loss"].backward()
    (last,) = hidden
    assert last.grad is not None
    # a place predicts the token behind it
    counts = torch.cat([inputs["labels"][:, 1:] != -100, torch.zeros(2, 1, dtype=torch.bool)], dim=1)
    assert torch.equal(last.grad.abs().amax(-1) > 0, counts)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_an_adapter_gets_the_gradients_of_the_plain_loss(checkpointing: bool) -> None:
    from peft import LoraConfig, get_peft_model

    def adapted(fused: bool) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            lora = LoraConfig(
                r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"
            )
            model = get_peft_model(build("llama tied"), lora)
        if checkpointing and fused:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable({"use_reentrant": False})
        with_loss(model.get_base_model(), "tofu", {}, fused=fused)
        return model.train()

    fused, plain = adapted(True), adapted(False)
    for model in (fused, plain):
        model(**batch(), token_loss=True)["loss"].backward()
    assert relative_error(gradients(fused), gradients(plain)) < 5e-6
    assert all("lora" in name for name in gradients(fused))
    assert fused.get_output_embeddings().weight.grad is None


def test_the_soft_cap_of_saturated_logits() -> None:
    model = build("gemma 2, soft caps")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(30)
    assert read_output_layer(model, "model") == OutputLayer(5.0, 1.0)


@pytest.mark.parametrize(
    "name", ["llama", "gemma 2, soft caps", "granite, divided logits", "falcon h1, recurrent"]
)
def test_half_precision_is_read_as_well(name: str) -> None:
    model = build(name).bfloat16()
    assert read_output_layer(model, name) == OutputLayer(CAPS.get(name), SCALES.get(name, 1.0))
    assert model.training


def test_half_precision_trains_on_nearly_the_same() -> None:
    exact = with_loss(build("llama"), "tofu", {})
    rounded = with_loss(build("llama").bfloat16(), "tofu", {})
    losses = [float(model(**batch(), token_loss=True)["loss"]) for model in (exact, rounded)]
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)
    assert losses[1] != losses[0]


def refusal(model: Any) -> str:
    with pytest.raises(DiversityEvalError) as caught:
        read_output_layer(model, "model odd")
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Odd:
    """Wraps a model's forward."""

    def __init__(self, model: Any, change: Any) -> None:
        self._forward, self._change = model.forward, change

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._change(self._forward(*args, **kwargs))


def shifted(outputs: Any) -> Any:
    outputs.logits = outputs.logits + torch.linspace(0, 3, VOCABULARY)
    return outputs


def scaled(outputs: Any) -> Any:
    outputs.logits = outputs.logits * 1.5
    return outputs


def squashed(outputs: Any) -> Any:
    outputs.logits = 4 * torch.tanh(outputs.logits / 4)
    return outputs


def narrowed(outputs: Any) -> Any:
    outputs.logits = outputs.logits[..., :-1]
    return outputs


def broken(outputs: Any) -> Any:
    raise IndexError("no such layer")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shifted, "the logits differ by"),
        (scaled, "the logits differ by"),
        (squashed, "the logits differ by"),
        (narrowed, r"logits \(1, 12, 96\) instead of \(1, 12, 97\)"),
        (broken, "IndexError: no such layer"),
    ],
)
def test_a_model_that_makes_something_else_of_its_logits_is_refused(
    change: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("llama")
    monkeypatch.setattr(model, "forward", Odd(model, change))
    said = refusal(model)
    assert said.startswith("model odd: its logits are not those of its last hidden states")
    assert "use --no-fused, which takes the model's own logits" in said
    assert re.search(message, said)
    assert model.training


def test_no_fused_takes_the_logits_of_such_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llama")
    inputs = batch()
    monkeypatch.setattr(model, "forward", Odd(model, shifted))
    arguments = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    expected = reference_loss("ce", model(**arguments).logits, inputs["labels"])
    found = with_loss(model, "ce", {}, fused=False)(**inputs, token_loss=True)["loss"]
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_a_scale_that_the_configuration_does_not_name_exactly_is_refused() -> None:
    model = build("cohere, scaled logits")
    model.logit_scale = 0.07
    assert "the logits differ by" in refusal(model)


def test_a_head_without_a_weight_or_in_integers_is_refused() -> None:
    model = build("llama")
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.to(torch.int8), requires_grad=False)
    assert refusal(model) == "model odd: its output layer is quantised; expected it in full precision"
    model.lm_head = None
    assert refusal(model).startswith("model odd: has no output layer with a weight")
