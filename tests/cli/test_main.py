import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from diversity_eval import cli as package
from diversity_eval.cli import cli
from diversity_eval.errors import DiversityEvalError

COMMANDS = ("data", "demo", "doctor", "judge-check", "quantize", "report", "score", "train")


def test_help_lists_every_command_and_loads_none_of_the_libraries() -> None:
    code = (
        "import sys\nfrom diversity_eval.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'lm_eval', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert all(name in finished.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert f"diversity-eval {name}" in shown.output


def test_an_unknown_command_is_a_usage_error() -> None:
    shown = CliRunner().invoke(cli, ["demmo"])
    assert shown.exit_code == 2
    assert "demmo" in shown.output


def test_a_user_s_mistake_is_one_line_and_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fail() -> None:
        raise DiversityEvalError("the thing is not there; bring it")

    group = type(cli)
    monkeypatch.setattr(group, "get_command", lambda self, ctx, name: fail)
    shown = CliRunner().invoke(cli, ["fail"])
    assert shown.exit_code == 1
    assert shown.output == "diversity-eval: error: the thing is not there; bring it\n"
    assert isinstance(CliRunner().invoke(cli, ["--debug", "fail"]).exception, DiversityEvalError)


def test_the_command_table_names_real_commands() -> None:
    assert set(package._COMMANDS) == set(COMMANDS)
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
