"""`python -m diversity_eval`, which `accelerate launch -m` needs."""

from diversity_eval.cli import main

main()
