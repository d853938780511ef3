"""The logs of finished runs: reading them, whoever wrote them, and writing results in lm-eval's layout and
NoveltyBench's.

`read_logs(paths)` gives a `LoggedRun` per task and run. Loads neither lm-eval nor a judge.
"""

from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.novelty_bench import LeaderboardPrompt, write_leaderboard
from diversity_eval.logs.reading import read_logs
from diversity_eval.logs.writing import NO_MODEL, TaskResults, Written, write_results

__all__ = [
    "NO_MODEL",
    "LeaderboardPrompt",
    "LoggedPrompt",
    "LoggedRun",
    "TaskResults",
    "Written",
    "read_logs",
    "write_leaderboard",
    "write_results",
]
