import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.options import TaskOptions


def test_model_arguments_in_the_metadata_are_not_options() -> None:
    assert TaskOptions.from_metadata({"pretrained": "x", "seed": 3, "dtype": "auto"}) == TaskOptions()


def test_values_as_the_command_line_gives_them() -> None:
    options = TaskOptions.from_metadata(
        {"num_samples": "20", "sample_seed": 7, "sample_seeds": "never", "allow_identical": "true"}
    )
    assert options == TaskOptions(num_samples=20, sample_seed=7, sample_seeds="never", allow_identical=True)


def test_no_classifier_is_not_the_same_as_nothing_said() -> None:
    assert TaskOptions.from_metadata({}).classifier is None
    assert TaskOptions.from_metadata({"classifier": None}).classifier == "none"
    assert TaskOptions.from_metadata({"classifier": "None"}).classifier == "none"
    assert TaskOptions.from_metadata({"reward": "none"}).reward is None


def test_settings_of_classifier_and_reward_model() -> None:
    options = TaskOptions.from_metadata(
        {
            "classifier": "novelty-bench", "classifier_set": "threshold=0.5;device=cpu",
            "reward": "mine.yaml", "reward_set": {"batch_size": 2}, "novelty_store": "kept.sqlite",
        }
    )  # fmt: skip
    assert options.classifier_set == {"threshold": 0.5, "device": "cpu"}
    assert options.reward_set == {"batch_size": 2}
    assert options.novelty_store == "kept.sqlite"


def test_none_as_yaml_reads_it() -> None:
    assert TaskOptions.from_metadata({"embeddings": None}).embeddings == "none"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"num_samples": 1}, "at least 2"),
        ({"num_samples": "ten"}, "whole number"),
        ({"num_samples": True}, "whole number"),
        ({"num_samples": 2.5}, "whole number"),
        ({"sample_seed": -1}, "from 0"),
        ({"sample_seeds": "yes"}, "auto, always, never"),
        ({"preset": "paper"}, "default, paper_hf"),
        ({"allow_identical": "maybe"}, "true or false"),
        ({"prompt_template": " "}, "empty"),
        ({"num_sample": 20}, "did you mean num_samples"),
        ({"prompt_templates": "plain"}, "did you mean prompt_template"),
        ({"classifiers": "exact"}, "did you mean classifier"),
        ({"rewards": "x"}, "did you mean reward"),
        ({"reward_set": "batch_size=1"}, "without a reward model"),
        ({"verdicts": "x.sqlite"}, "without a judge"),
        ({"classifier": " "}, "empty"),
        ({"classifier": "exact", "classifier_set": "nonsense"}, "key=value;key=value"),
    ],
)
def test_bad_values_name_the_option(metadata: dict[str, object], message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message) as caught:
        TaskOptions.from_metadata(metadata)
    assert next(iter(metadata)) in str(caught.value)
