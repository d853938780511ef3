"""The literal command on real vLLM, in process and as a server, in vLLM's own environment.

`make test-vllm` builds that environment and names its Python in DIVERSITY_EVAL_VLLM_PYTHON.
"""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.vllm
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def vllm_bin() -> Path:
    python = os.environ.get("DIVERSITY_EVAL_VLLM_PYTHON")
    if python and Path(python).is_file():
        return Path(python).parent
    reason = f"needs a Python with vLLM: DIVERSITY_EVAL_VLLM_PYTHON is {python!r}; run `make test-vllm`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def environment(data: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DIVERSITY_EVAL_DATA": str(data),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }


def lm_eval(vllm_bin: Path, data: Path, arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(vllm_bin / "lm_eval"), *arguments.split()],
        cwd=folder, env=environment(data), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def read(folder: Path, task: str) -> tuple[dict[str, Any], list[list[str]]]:
    (results_file,) = folder.glob("*/results_*.json")
    (samples_file,) = folder.glob(f"*/samples_{task}_*.jsonl")
    rows = [json.loads(line) for line in samples_file.read_text(encoding="utf-8").split("\n") if line]
    responses = [[text for request in row["resps"] for text in request] for row in rows]
    return json.loads(results_file.read_text(encoding="utf-8")), responses


def test_the_literal_command_in_process(
    vllm_bin: Path, checkpoint: Path, data_folder: Path, tmp_path: Path
) -> None:
    literal = "--tasks short_stories,small_prompts --model vllm --model_args pretrained="
    rest = f",enforce_eager=True --limit 3 --output_path {tmp_path} --log_samples"
    finished = lm_eval(vllm_bin, data_folder, f"{literal}{checkpoint}{rest}", tmp_path)
    assert finished.returncode == 0, finished.stderr[-3000:]
    for task in ("short_stories", "small_prompts"):
        results, responses = read(tmp_path, task)
        assert [len(texts) for texts in responses] == [10, 10, 10]
        assert results["results"][task]["unique_fraction,none"] == 1.0
        record = results["configs"][task]["metadata"]["diversity_eval"]
        assert (record["backend"], record["seeding"]) == ("vllm", "repeats")


@contextmanager
def vllm_serve(
    vllm_bin: Path,
    checkpoint: Path,
    data: Path,
    log: Path,
    *,
    context: int = 1024,
    dtype: str = "auto",
    options: Sequence[str] = (),
) -> Iterator[str]:
    """A real `vllm serve` on a free port, up when the block begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(vllm_bin / "vllm"), "serve", str(checkpoint), "--served-model-name", "tiny",
        "--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--max-model-len", str(context),
        "--dtype", dtype, *options,
    ]  # fmt: skip
    with log.open("w", encoding="utf-8") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment(data))
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                    break
            except requests.RequestException:
                pass
            assert server.poll() is None, log.read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-3000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1/completions"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def recorder(target: str, seen: list[dict[str, Any]]) -> Iterator[str]:
    """A proxy in front of the real server that keeps the request bodies."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(json.loads(body))
            answer = requests.post(
                target, data=body, headers={"Content-Type": "application/json"}, timeout=300
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}/v1/completions"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def hf_ids(checkpoint: Path, prompts: list[str]) -> list[list[int]]:
    """The prompt token ids that `generate` is really given by lm-eval's hf model."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=str(checkpoint), device="cpu", batch_size=1, dtype="float32")
    seen: dict[str, list[int]] = {}
    generate = lm.model.generate

    def watch(input_ids: Any, **kwargs: Any) -> Any:
        ids = input_ids[0].tolist()
        seen[lm.tokenizer.decode(ids, skip_special_tokens=True)] = ids
        return generate(input_ids=input_ids, **kwargs)

    lm.model.generate = watch
    generation = {"do_sample": True, "temperature": 1.0, "max_gen_toks": 2, "until": []}
    lm.generate_until(
        [
            Instance("generate_until", {}, (prompt, dict(generation)), 0, ("t", i, 1))
            for i, prompt in enumerate(prompts)
        ]
    )
    return [seen[prompt] for prompt in prompts]


def test_real_backends_give_independent_samples_of_the_same_prompts(
    vllm_bin: Path, checkpoint: Path, data_folder: Path, tmp_path: Path
) -> None:
    """A server with our seeds, then stock lm-eval's way; then what hf and in-process vLLM are given."""
    seen: list[dict[str, Any]] = []
    arguments = "--tasks short_stories_base --model local-completions --limit 3 --log_samples"
    with (
        vllm_serve(vllm_bin, checkpoint, data_folder, tmp_path / "server.log") as url,
        recorder(url, seen) as proxy,
    ):
        arguments += f" --model_args model=tiny,base_url={proxy},tokenizer={checkpoint},"
        arguments += "tokenizer_backend=huggingface,num_concurrent=8,max_length=1024"
        for name, options in (("ours", ""), ("stock", "--metadata sample_seeds=never,allow_identical=true")):
            finished = lm_eval(
                vllm_bin, data_folder, f"{arguments} {options} --output_path {tmp_path / name}", tmp_path
            )
            assert finished.returncode == 0, finished.stderr[-3000:]
    results, responses = read(tmp_path / "ours", "short_stories_base")
    assert results["results"]["short_stories_base"]["unique_fraction,none"] == 1.0
    assert [len(texts) for texts in responses] == [10, 10, 10]
    results, _ = read(tmp_path / "stock", "short_stories_base")
    # 0.1 but for batches, which are not exact to the bit.
    assert results["results"]["short_stories_base"]["unique_fraction,none"] < 0.4

    (samples_file,) = (tmp_path / "ours").glob("*/samples_*.jsonl")
    rows = [json.loads(line) for line in samples_file.read_text("utf-8").split("\n") if line]
    prompts = [row["doc"]["prompt"] for row in rows]
    probe = subprocess.run(
        [str(vllm_bin / "python"), str(Path(__file__).parent / "vllm_probe.py")],
        input=json.dumps({"checkpoint": str(checkpoint), "prompts": prompts}),
        env=environment(data_folder), cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert probe.returncode == 0, probe.stderr[-3000:]
    (line,) = [line for line in probe.stdout.splitlines() if line.startswith("ANSWERS ")]
    answers = json.loads(line.removeprefix("ANSWERS "))
    assert hf_ids(checkpoint, prompts) == answers["vllm"]
    sent = {tuple(prompt) for body in seen for prompt in body["prompt"]}
    assert sent == {tuple(ids) for ids in answers["vllm"]}
    assert answers["first"] == answers["again"] != answers["other"]
    assert all(len(set(texts)) == 4 for texts in answers["first"])
