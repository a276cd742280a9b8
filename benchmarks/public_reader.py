"""What the public MaCheX's reader does with a collection, in a few lines of our own: the bar of the reader.

``index.json`` whole as Python objects; Pillow; and what torchvision's ToTensor does with an RGB picture.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset

Item = dict[str, torch.Tensor]


class PublicFolder(Dataset[Item]):
    """A dataset folder."""

    def __init__(self, folder: Path) -> None:
        self._entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self._keys = list(self._entries)

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, item: int) -> Item:
        image = Image.open(self._entries[self._keys[item]]["path"])
        values = torch.from_numpy(np.array(image, np.uint8, copy=True))
        return {"img": values.permute(2, 0, 1).contiguous().to(torch.float32).div(255)}


def public_collection(root: Path) -> ConcatDataset[Item]:
    """Open all dataset folders of a collection."""
    return ConcatDataset([PublicFolder(folder) for folder in sorted(root.iterdir())])
