"""What commands with a judge share: its settings on the command line, and the command line for the record."""

import shlex
from typing import Any

import click

from diversity_eval.errors import DiversityEvalError

__all__ = ["command_line", "judge_setting", "setting"]


def judge_setting(text: str) -> tuple[str, Any]:
    """As `setting`, of `--judge-set`."""
    return setting("--judge-set", text)


def setting(option: str, text: str) -> tuple[str, Any]:
    """Key and value of an option's `KEY=VALUE`; the value is read as YAML.

    Raises DiversityEvalError if it has another form.
    """
    import yaml

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise DiversityEvalError(f"{option} {text}: expected KEY=VALUE, e.g. concurrency=32")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DiversityEvalError(f"{option} {key}: the value is no YAML ({reason}); quote it") from None


def command_line(context: click.Context) -> str:
    """What the user typed, with every option that was given, but without what may be secret."""
    words = ["diversity-eval", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        value: Any = context.params[name]
        if context.get_parameter_source(name) != click.core.ParameterSource.COMMANDLINE:
            continue
        if isinstance(parameter, click.Argument):
            words += map(str, value)
        elif parameter.multiple:
            secret = name.endswith("_set")
            for entry in value:
                words += [parameter.opts[0], _without_secret(entry) if secret else str(entry)]
        elif value is True:
            words.append(parameter.opts[0])
        else:
            words += [parameter.opts[0], str(value)]
    return shlex.join(words)


def _without_secret(setting: str) -> str:
    """For the record: addresses without credentials, and no values of mappings, which may hold keys."""
    from diversity_eval.judging.config import without_credentials

    key, value = judge_setting(setting)
    if isinstance(value, dict):
        return f"{key}=..."
    if key == "base_url":
        urls = value if isinstance(value, list) else [value]
        return f"{key}={','.join(without_credentials(str(url)) for url in urls)}"
    return setting
