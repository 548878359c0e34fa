"""The pelt counts, as shipped."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from importlib.resources import files

import torch
from torch import Tensor

from fieldsolver.errors import FileFormatError

FILE = "hudson_bay_lynx_hare.csv"
SHA256 = "7bb1b9ae59cfa919bafcb9b75802f50007115b5996cb254d3c8e224e9769cdee"


@dataclass(frozen=True)
class Pelts:
    """Counts in thousands, each (T,) float64.

    Attributes:
        year: 1900 to 1920.
        hare, lynx: snowshoe hare (prey), Canada lynx (predator).
    """

    year: Tensor
    hare: Tensor
    lynx: Tensor

    def until(self, last: int) -> Pelts:
        """The counts up to and with a year."""
        kept = self.year <= last
        return Pelts(self.year[kept], self.hare[kept], self.lynx[kept])

    def as_data(self) -> dict[str, Tensor]:
        """What `fs.fit` takes."""
        return {"t": self.year, "hare": self.hare, "lynx": self.lynx}


def load_pelts() -> Pelts:
    """The 21 rows; raises `FileFormatError` if the file is not the one that was shipped."""
    content = files(__package__).joinpath("data", FILE).read_bytes()
    if hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() != SHA256:
        raise FileFormatError(f"{FILE} is not the file that was shipped (another checksum); reinstall fieldsolver")
    lines = [line for line in content.decode("utf-8").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    columns = ([float(row[name]) for row in rows] for name in ("year", "hare", "lynx"))
    return Pelts(*(torch.tensor(column, dtype=torch.float64) for column in columns))
