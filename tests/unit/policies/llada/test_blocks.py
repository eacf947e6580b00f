"""Several blocks decoded in one loop, logits that are held, and vocabularies whose bins are not the last ids."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from mmact_eval.errors import UsageError
from mmact_eval.policies.llada.config import TransformerConfig
from mmact_eval.policies.llada.decoding import UNKNOWN, Block, Generators, Step, fill_blocks, fill_codes
from mmact_eval.policies.llada.logits import Batch, Codes, block_logits, unknown_block
from mmact_eval.policies.llada.schedule import compounding
from mmact_eval.policies.llada.training.learning.tables import SharedRows
from mmact_eval.policies.llada.transformer import MaskedTokenPredictor
from mmact_eval.policies.llada.vocabulary import Vocabulary

CPU = torch.device("cpu")
WORDS = Vocabulary(500, 16, 8, 400, 4, first_bin=416)


class Recorder:
    """Fixed logits for each block, and how many places of each were masked whenever it was asked."""

    def __init__(self, *logits: torch.Tensor) -> None:
        self.logits, self.masked = logits, list[list[int]]()

    def __call__(self, known: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        self.masked.append([int((codes == UNKNOWN).sum()) for codes in known])
        return self.logits


def logits(block: int, codes: int, seed: int) -> torch.Tensor:
    return torch.randn(1, block, codes, generator=torch.Generator().manual_seed(seed)) * 3


def fill(model: Recorder, steps: int, seed: int = 0, **options: object) -> list[torch.Tensor]:
    lengths = [part.shape[1] for part in model.logits]
    blocks = [Block(length, compounding(1.0, steps), str(k)) for k, length in enumerate(lengths)]
    options = {"temperature": 1.0} | options
    return fill_blocks(model, blocks, Generators([seed], CPU), 1, device=CPU, **options)  # type: ignore[arg-type]


def test_each_block_has_its_own_schedule_and_both_are_asked_about_in_one_pass() -> None:
    model = Recorder(logits(35, 20, 0), logits(256, 30, 1))
    filled = fill(model, 24)
    goal = [256, 255, 253, 251, 247, 242, 236, 229, 221, 212, 203, 192, 181, 168, 155, 142, 127, 113, 97, 82, 66, 49,
            33, 16]  # fmt: skip
    actions = [35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 19, 17, 15, 13, 11, 9, 6, 4, 2]
    assert model.masked == [list(pair) for pair in zip(actions, goal, strict=True)]
    assert [tuple(codes.shape) for codes in filled] == [(1, 35), (1, 256)]
    assert all((codes != UNKNOWN).all() for codes in filled)


def test_one_block_is_what_it_is_by_itself() -> None:
    given = logits(35, 20, 0)
    (blocks,) = fill(Recorder(given), 6, seed=4)
    noise = compounding(1.0, 6)
    alone = fill_codes(lambda _: given, 35, Generators([4], CPU), 1, device=CPU, temperature=1.0, noise=noise)
    assert torch.equal(blocks, alone)


def test_logits_are_held_between_refreshes() -> None:
    often, seldom = (Recorder(logits(35, 20, 0), logits(64, 30, 1)) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(fill(often, 24), fill(seldom, 24, refresh=6), strict=True))
    assert len(often.masked) == 24
    assert seldom.masked == [often.masked[k] for k in (0, 6, 12, 18)]


def test_a_record_tells_what_each_step_drew_and_masked_again() -> None:
    record: list[Step] = []
    model = Recorder(logits(35, 20, 0), logits(64, 30, 1))
    filled = fill(model, 4, record=record)
    for number, name in enumerate("01"):
        masked = [int(step[name][1].sum()) for step in record]
        assert masked == [*(asked[number] for asked in model.masked[1:]), 0]
        assert torch.equal(record[-1][name][0], filled[number])


def test_blocks_with_different_numbers_of_steps_are_refused() -> None:
    blocks = [Block(4, [0.0]), Block(4, [0.0, 0.0])]
    with pytest.raises(ValueError, match="as many for each block"):
        fill_blocks(Recorder(), blocks, Generators([0], CPU), 1, device=CPU, temperature=1.0)


def test_the_logits_of_blocks_are_those_of_their_places_and_ids() -> None:
    torch.manual_seed(0)
    config = TransformerConfig(d_model=16, n_layers=1, n_heads=2, n_kv_heads=2, mlp_hidden_size=16, vocabulary=WORDS)
    predictor = MaskedTokenPredictor(config)
    ids = torch.randint(0, 300, (2, 12))
    places = torch.tensor([[3, 4, 5, 8, 9]]).expand(2, -1)
    batch = Batch(ids, None, places, mask_id=WORDS.special(126336))
    ask = block_logits(predictor, batch, [Codes(3, WORDS.image_offset, 16), Codes(2, WORDS.action_offset, 8)])
    first, second = unknown_block(batch).split([3, 2], dim=1)
    first = first.index_fill(1, torch.tensor([1]), 7)
    shown = ids.clone()
    shown[:, [3, 5, 8, 9]] = batch.mask_id
    shown[:, 4] = WORDS.image_offset + 7
    whole = predictor.logits(predictor(shown))
    pictures, actions = ask([first, second])
    assert torch.allclose(pictures, whole[:, 3:6, 400:416], atol=1e-5)
    assert torch.allclose(actions, whole[:, 8:10, 416:424], atol=1e-5)


def test_bins_may_lie_anywhere_behind_the_image_codes() -> None:
    assert (WORDS.action_offset, Vocabulary(500, 16, 8, 400, 4).action_offset) == (416, 492)
    for wrong in (415, 493):
        with pytest.raises(UsageError, match="wrong vocabulary: 500 ids do not hold"):
            Vocabulary(500, 16, 8, 400, 4, first_bin=wrong)


def test_tokens_that_stand_for_numbers_begin_alike_if_the_numbers_do() -> None:
    torch.manual_seed(0)
    table = torch.randn(500, 64)
    ids = torch.randperm(400)[:256].tolist()  # a tokenizer's order is not the numbers'
    rows = SharedRows(WORDS, {token: level / 127.5 - 1.0 for level, token in enumerate(ids)})
    made = rows(*rows.right_inverse(table))
    near, far = (torch.cosine_similarity(made[ids[100]], made[ids[other]], 0) for other in (101, 200))
    assert near > 0.9
    assert far < 0.6
    others = [token for token in range(400) if token not in ids]
    assert torch.equal(made[others], table[others])
    assert made.std() == pytest.approx(float(table.std()), rel=0.5)


def test_without_such_tokens_a_table_is_what_it_was_to_the_bit() -> None:
    table = torch.randn(500, 6)
    free = table.clone()
    free[400:424] = 0.0
    torch.manual_seed(0)
    expected = free, torch.randn(4, 6) * table.std(), torch.randn(6, 6) * table.std(), torch.rand(1)
    for rows in (SharedRows(WORDS), SharedRows(WORDS, {})):
        torch.manual_seed(0)
        begun = *rows.right_inverse(table), torch.rand(1)  # and nothing more was drawn
        assert all(map(torch.equal, begun, expected))
        assert torch.equal(rows(*begun[:3])[:400], table[:400])
    assert not rows.state_dict()


def test_rows_behind_the_bins_are_free() -> None:
    torch.manual_seed(0)
    table = torch.randn(500, 6)
    rows = SharedRows(WORDS)
    free, codes, numbers = rows.right_inverse(table)
    made = rows(free, codes, numbers)
    assert made.shape == table.shape
    apart = (made != table).any(1)
    assert apart[400:424].all()
    assert not apart[:400].any()
    assert not apart[424:].any()
