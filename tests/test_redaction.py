from diversity_eval.redaction import without_secrets


def test_keys_tokens_and_credentials_in_addresses_go_and_the_rest_stays() -> None:
    metadata = {
        "pretrained": "org/model",
        "add_bos_token": True,
        "tokenizer_pad_token": ["<pad>", "0"],
        "auth_token": "hunter2",
        "api_key": "hunter2",
        "header": {"Authorization": "Bearer hunter2"},
        "base_url": "https://me:hunter2@host:8000/v1/completions",
        "num_samples": 4,
        "diversity_eval": {"source": "short_stories"},
    }
    assert without_secrets(metadata) == {
        "pretrained": "org/model",
        "add_bos_token": True,
        "tokenizer_pad_token": ["<pad>", "0"],
        "base_url": "https://host:8000/v1/completions",
        "num_samples": 4,
        "diversity_eval": {"source": "short_stories"},
    }


def test_mappings_inside_and_lm_eval_s_strings_of_arguments() -> None:
    config = {
        "model_args": {"base_url": "http://me:pw@host/v1", "api_key": "sk-1"},
        "other": "model=m,api_key=sk-2,base_url=https://me:pw@host/v1,add_bos_token=True",
        "text": "a = b, and 2+2=4",
    }
    assert without_secrets(config) == {
        "model_args": {"base_url": "http://host/v1"},
        "other": "model=m,api_key=...,base_url=https://host/v1,add_bos_token=True",
        "text": "a = b, and 2+2=4",
    }


def test_lists_and_whole_command_lines() -> None:
    cli = {"cli": ["--model_args", "api_key=sk-3,model=m", "http://me:pw@host/v1"]}
    assert without_secrets(cli) == {"cli": ["--model_args", "api_key=...,model=m", "http://host/v1"]}
