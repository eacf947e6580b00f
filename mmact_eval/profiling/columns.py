"""The columns of a profile's tables: what each shows, in which unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmact_eval.profiling.row import Memory, Row, Timing, Weights, Work

NONE = "–"
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: above it.
        key: of the CSV, with the unit in it.
        value: a row's number, None where it is not known.
        show: the number for people.
        said: what it is, in words.
    """

    title: str
    key: str
    value: Callable[[Row], float | None]
    show: Callable[[float], str]
    said: str

    def cell(self, row: Row) -> str:
        """A row's number for people."""
        value = self.value(row)
        return NONE if value is None else self.show(value)


def figure(value: float) -> str:
    """Three figures that count: ``0.123``, ``12.3``, ``1234``."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def prefixed(value: float) -> str:
    """``8.90 T``."""
    for size, letter in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.{max(0, 2 - len(str(int(abs(value) / size))) + 1)}f} {letter}"
    return f"{value:.0f}"


def _work(of: Callable[[Work], float]) -> Callable[[Row], float | None]:
    return lambda row: None if row.work is None else of(row.work)


def _timing(of: Callable[[Timing], float]) -> Callable[[Row], float | None]:
    return lambda row: None if row.timing is None else of(row.timing)


def _memory(of: Callable[[Memory], float | None]) -> Callable[[Row], float | None]:
    return lambda row: None if row.memory is None else of(row.memory)


def _weights(of: Callable[[Weights], float | None]) -> Callable[[Row], float | None]:
    return lambda row: None if row.weights is None else of(row.weights)


COLUMNS: tuple[Column, ...] = (
    Column("ms p50", "ms_p50", _timing(lambda of: of.p50_ms), figure,
           "milliseconds of a call on the clock, the median"),
    Column("p95", "ms_p95", _timing(lambda of: of.p95_ms), figure, "of 95 % of the calls, at most"),
    Column("CPU ms", "cpu_ms_mean", _timing(lambda of: of.cpu_ms), figure,
           "milliseconds of processor time of a call, all threads together"),
    Column("answers/s", "answers_per_s", lambda row: row.answers_per_s, figure, "by the mean time of a call"),
    Column("actions/s", "actions_per_s", lambda row: row.actions_per_s, figure,
           "the same times the actions of an answer that are executed"),
    Column("peak MiB", "peak_process_mib", _memory(lambda of: of.process_mib), figure,
           "the most memory the process held, libraries included"),
    Column("GPU MiB", "peak_gpu_mib", _memory(lambda of: of.gpu_mib), figure,
           "the most that PyTorch held on GPUs"),
    Column("FLOPs", "flops", _work(lambda work: work.flops), prefixed,
           "of an ordinary call: linear layers, attention, convolutions; a multiplication and an addition are two"),
    Column("products", "flops_products", _work(lambda work: work.products), prefixed, "of that, linear layers"),
    Column("attention", "flops_attention", _work(lambda work: work.attention), prefixed,
           "of that, the part that grows with the square of the sequence"),
    Column("its share", "attention_share", _work(lambda work: work.attention_share),
           lambda value: f"{100 * value:.1f} %", "attention's, of attention and linear layers together"),
    Column("convolutions", "flops_convolutions", _work(lambda work: work.convolutions), prefixed,
           "of that, what reads pictures"),
    Column("first call", "flops_first", lambda row: None if row.first_work is None else row.first_work.flops, prefixed,
           "FLOPs of the call that begins an episode, if it takes more"),
    Column("bytes", "bytes_moved", _work(lambda work: work.moved), prefixed,
           "that operations read and write, as if nothing stayed in a cache"),
    Column("FLOPs/byte", "flops_per_byte", _work(lambda work: work.intensity), figure, "arithmetic intensity"),
    Column("FLOP/s", "flops_per_s", lambda row: row.flops_per_s, prefixed, "achieved, by the median call"),
    Column("tokens", "tokens", lambda row: row.tokens, figure, "of the longest sequence of an answer"),
    Column("passes", "passes", lambda row: row.passes, figure, "of the network over sequences, for an answer"),
    Column("tokens/s", "tokens_per_s", lambda row: row.tokens_per_s, figure,
           "that are gone over, at each pass again, by the median call"),
    Column("parameters", "parameters", _weights(lambda of: of.count), prefixed, "learned numbers"),
    Column("their bytes", "parameter_bytes", _weights(lambda of: of.bytes), prefixed, "of those"),
)  # fmt: skip


def known(rows: Sequence[Row]) -> list[Column]:
    """The columns in which any row has something."""
    return [column for column in COLUMNS if any(column.value(row) is not None for row in rows)]
