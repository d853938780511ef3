"""From the settings to rows that can be trained on."""

import hashlib
import random
from collections.abc import Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.account import Account, report_lines
from diversity_eval.training.data.conversation import Conversation, FilteredRowError, UnusableRowError
from diversity_eval.training.data.encoding import TOO_LONG, Encoder
from diversity_eval.training.data.loaded import EncodedRow, TrainingSet
from diversity_eval.training.data.sources import SourceRows, read_source
from diversity_eval.training.data.tokenizer_setup import prepare_tokenizer
from diversity_eval.training.settings import TrainSettings

__all__ = ["load_training_set"]

_BATCH = 512
_MANY = 2000


def load_training_set(settings: TrainSettings, tokenizer: Any) -> TrainingSet:
    """The rows of `settings.dataset` as token ids with labels, in the order of the source.

    Of the first `first_rows` rows those are kept that can be trained on; of these `max_rows` are drawn with
    `seed`, each set of that size being equally likely. Rows that the draw did not come to are not tokenised:
    they count as not drawn even if they would have proved too long.

    `tokenizer` is changed as `prepare_tokenizer` says; call that first where new tokens matter. The
    provenance has the settings of the selection and the SHA-256 of the numbers of the rows used (decimal,
    from 1, one a line).

    Raises DiversityEvalError for data that cannot be had, for no usable row, and under `strict` for the first
    unusable one.
    """
    if settings.max_length < 2:
        raise DiversityEvalError(
            f"max_length must be 2 or more (a prompt and a response), not {settings.max_length}"
        )
    for name in ("first_rows", "max_rows"):
        if (value := getattr(settings, name)) is not None and value < 1:
            raise DiversityEvalError(f"{name} must be 1 or more, not {value}; leave it out for all rows")
    encoder = Encoder(prepare_tokenizer(tokenizer, settings), settings.max_length, settings.overlong)
    source = read_source(settings)
    account = Account(source.place, strict=settings.strict)
    account.report.read = len(source.rows)
    candidates = _conversations(source, encoder, account)
    used = _encoded(_drawn(candidates, settings), encoder, account, settings.max_rows)
    if not used:
        raise DiversityEvalError(
            f"dataset {settings.dataset}: no row can be trained on: {'; '.join(report_lines(account.report))}"
        )
    numbers = sorted(used)
    selection = {
        "dataset": settings.dataset,
        "first_rows": settings.first_rows,
        "max_rows": settings.max_rows,
        "seed": settings.seed if settings.max_rows is not None else None,
        "rows_read": account.report.read,
        "rows_used": account.report.used,
        "row_numbers_sha256": hashlib.sha256("".join(f"{each}\n" for each in numbers).encode()).hexdigest(),
    }
    return TrainingSet([used[number] for number in numbers], account.report, source.provenance | selection)


def _conversations(source: SourceRows, encoder: Encoder, account: Account) -> list[Conversation]:
    found: list[Conversation] = []
    for row in source.rows:
        try:
            if row.problem or not isinstance(row.value, dict):
                raise UnusableRowError(row.problem or "not an object")
            conversation = Conversation(row.number, source.layout.messages(row.value))
            encoder.check(conversation)
        except UnusableRowError as problem:
            on_purpose = isinstance(problem, FilteredRowError)
            account.leave_out(row.number, str(problem), on_purpose=on_purpose)
        else:
            found.append(conversation)
    return found


def _drawn(candidates: list[Conversation], settings: TrainSettings) -> list[Conversation]:
    """The candidates in the order in which they are drawn; in their own if all are wanted."""
    if settings.max_rows is None or settings.max_rows >= len(candidates):
        return candidates
    return random.Random(settings.seed).sample(candidates, len(candidates))


def _encoded(
    conversations: Sequence[Conversation], encoder: Encoder, account: Account, most: int | None
) -> dict[int, EncodedRow]:
    """The first `most` conversations that fit, by their numbers."""
    from tqdm import tqdm

    used: dict[int, EncodedRow] = {}
    wanted = len(conversations) if most is None else min(most, len(conversations))
    looked_at = 0
    with tqdm(total=wanted, desc="Tokenising", unit="row", disable=wanted <= _MANY) as bar:
        while len(used) < wanted and looked_at < len(conversations):
            batch = conversations[looked_at : looked_at + min(_BATCH, wanted - len(used))]
            looked_at += len(batch)
            for conversation, encoding in zip(batch, encoder.encode(batch), strict=True):
                if encoding.left_out:
                    # Who asked for long rows to be dropped is not surprised by one.
                    on_purpose = encoding.left_out == TOO_LONG
                    account.leave_out(conversation.number, encoding.left_out, on_purpose=on_purpose)
                    continue
                account.use(conversation.number, encoding.noted)
                place = account.place(conversation.number)
                used[conversation.number] = EncodedRow(encoding.input_ids, encoding.labels, place)
                bar.update()
    account.not_drawn(len(conversations) - looked_at)
    return used
