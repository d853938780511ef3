#!/bin/sh
# The report on every run that is kept here, and the picture of it in the README.
#   sh docs/runs/report/make.sh
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
runs="training novelty answers vllm hf server stock"
diversity-eval report $runs --baseline ce --protocol paper --published alpaca:Mistral-Nemo-12B \
    --title "Every run kept in docs/runs" --format html,md -o report/report.html \
    --name training/base=gemma-base --name training/hf_base="gemma-base (hf)" --name training/hf_nf4="gemma-base (hf, NF4)" \
    --name vllm="gemma-base (vllm)" --name hf="gemma-base (hf, 10 docs)" --name server="gemma-base (server)" \
    --name stock="stock lm-eval (server)" --name novelty/vllm="gemma-base (vllm)" \
    --name novelty/trained-curated="gemma-base (all prompts)" --name novelty/trained-wildchat="gemma-base (all prompts)" \
    --name answers="gemma-base (answers)" --name answers/first_hf="gemma-base (answers, hf)"
diversity-eval report training --baseline ce --protocol paper --title "Gemma 3 270M, fine-tuned with five losses" \
    --name training/base=gemma-base --name training/hf_base="gemma-base (hf)" --name training/hf_nf4="gemma-base (hf, NF4)" \
    -o "$scratch/training.html"
python report_picture.py "$scratch/training.html" ../images/report.png
