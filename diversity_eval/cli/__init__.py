"""The `diversity-eval` command: commands load when they are called, so that `--help` stays quick."""

import importlib
import sys
from typing import Any

import click

import diversity_eval
from diversity_eval.errors import DiversityEvalError

__all__ = ["cli", "main"]

# Name, module, and the line that `--help` shows, so that help needs none of the modules.
_COMMANDS = {
    "data": ("diversity_eval.cli.data", "List, fetch and verify the benchmarks' data."),
    "demo": ("diversity_eval.cli.demo", "Evaluate a tiny built-in model on built-in prompts."),
    "doctor": ("diversity_eval.cli.doctor", "Check versions, tasks, data and extras."),
    "judge-check": ("diversity_eval.cli.judge_check", "Check whether a judge is any good."),
    "quantize": ("diversity_eval.cli.quantize", "Write a checkpoint in 4 bits (NF4) that others can load."),
    "report": ("diversity_eval.cli.report", "Compare checkpoints: a leaderboard that tells what is signal."),
    "score": ("diversity_eval.cli.score", "Score finished responses again, with or without a judge."),
    "train": ("diversity_eval.cli.train", "Fine-tune a checkpoint with one of the losses under comparison."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(_COMMANDS.items())])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DiversityEvalError as error:
            if ctx.params.get("debug"):
                raise
            print(f"diversity-eval: error: {error}", file=sys.stderr)
            ctx.exit(1)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: diversity-eval demo",
)
@click.version_option(diversity_eval.__version__, prog_name="diversity-eval")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Measure how diverse a language model's outputs are.

    The benchmarks are tasks of lm-evaluation-harness and run with its own command:

        lm_eval --tasks short_stories,small_prompts --model vllm --model_args pretrained=CHECKPOINT
    """


def main() -> None:
    """Entry point of the `diversity-eval` script."""
    cli(prog_name="diversity-eval")
