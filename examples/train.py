"""Learn labels from a collection: ``python examples/train.py machex_demo/machex_dataset``.

Several labels at once, of which most are unknown for most films: what nobody stated has no part in the loss
and none in the result. The ten folds of the index make five parts. Each is held out in turn, a network learns
from the other four, and it is asked about films of people whom it has never seen: every film once.

The demo has 61 films, so this takes some seconds without a GPU, and a label is known for some thirty of them.
Its films show pneumothoraces too, but all in one fold: who learns from the others has never seen one. On a
real collection a single part says enough: ``--rounds 1``.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parents[1]))  # where dataset.py is; not needed where it was copied
from dataset import MaCheXDataset

Batches: TypeAlias = "DataLoader[tuple[torch.Tensor, ...]]"
LABELS = ["cardiomegaly", "effusion", "lung_opacity"]
PARTS = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
LEARNING_RATE = 1e-3


def read(root: str, folds: Iterable[int], workers: int) -> TensorDataset:
    """Read pictures and labels of folds once: as bytes of 64 x 64, 250,000 films take a gigabyte."""
    pictures = MaCheXDataset(
        root, view="frontal", folds=folds, size=64, channels=1, dtype="uint8", labels=LABELS,
        uncertain="ignore",
    )  # fmt: skip
    batches = list(DataLoader(pictures, batch_size=32, num_workers=workers))
    return TensorDataset(*(torch.cat([batch[field] for batch in batches]) for field in ("img", "labels")))


def batches_of(parts: Iterable[TensorDataset], *, shuffle: bool) -> Batches:
    """Give pictures and labels of several parts, few at a time."""
    return DataLoader(ConcatDataset(parts), batch_size=8, shuffle=shuffle)


def network(labels: int) -> nn.Module:
    """Make a small convolutional network for pictures of 64 x 64."""
    layers: list[nn.Module] = []
    for before, after in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 8 * 8, labels))


def standardised(pictures: torch.Tensor) -> torch.Tensor:
    """Give pictures as floats, each with mean 0 and standard deviation 1."""
    pictures = pictures.float()
    deviation, mean = torch.std_mean(pictures, dim=(1, 2, 3), keepdim=True)
    return (pictures - mean) / deviation.clamp(min=1)


def augmented(pictures: torch.Tensor) -> torch.Tensor:
    """Give standardised pictures, each shifted, half of them mirrored, with other contrast and brightness."""
    changed = []
    for picture in standardised(pictures):
        down, right = torch.randint(-4, 5, (2,)).tolist()
        shifted = picture.roll((down, right), (1, 2))
        mirrored = shifted.flip(2) if torch.rand(()) < 0.5 else shifted
        changed.append(mirrored * (0.8 + 0.4 * torch.rand(())) + 0.2 * torch.randn(()))
    return torch.stack(changed)


def known_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the mean loss over the labels that are known; 0 if none is."""
    known = ~torch.isnan(labels)
    total = binary_cross_entropy_with_logits(logits[known], labels[known], reduction="sum")
    return total / known.sum().clamp(1)


def train(model: nn.Module, batches: Batches, epochs: int) -> Iterable[float]:
    """Learn, and give the mean loss of each epoch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        model.train()
        total = 0.0
        for pictures, labels in batches:
            loss = known_loss(model(augmented(pictures)), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # of PyTorch
            optimiser.step()
            total += loss.item()
        yield total / len(batches)


@torch.no_grad()
def ask(model: nn.Module, batches: Batches) -> torch.Tensor:
    """Give logits and labels of films, stacked: 2 x films x labels."""
    model.eval()
    pairs = [torch.stack((model(standardised(pictures)), labels)) for pictures, labels in batches]
    return torch.cat(pairs, dim=1)


def report(answers: torch.Tensor) -> str:
    """Say by label what is told right, and what by who always says the more frequent.

    AUROC is the chance that of two films, one with the finding and one without, the former has the higher
    score: 0.5 by guessing. Films of all parts are compared, so scores of networks that learned apart.
    """
    lines = [f"{'held-out films':14}  known  present  right  by guessing  AUROC"]
    for name, (logits, labels) in zip(LABELS, answers.unbind(2), strict=True):
        known = ~torch.isnan(labels)
        scores, is_present = logits[known], labels[known] == 1
        present, absent = int(is_present.sum()), int((~is_present).sum())
        right = int(((scores > 0) == is_present).sum())
        # Each film with the finding beside each without; not a number where there is no such pair.
        pairs = scores[is_present][:, None] - scores[~is_present]
        auroc = float(((pairs > 0).double() + (pairs == 0).double() / 2).mean())
        guessed = max(present, absent)
        lines.append(f"{name:14}  {len(scores):5}  {present:7}  {right:5}  {guessed:11}  {auroc:5.2f}")
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Learn labels from a collection.")
    parser.add_argument("root", help="the collection, MACHEX_PATH of the configuration")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=len(PARTS), help="how many parts are held out in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, print how the loss falls, and what is told of the films held out."""
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    parts = [read(arguments.root, folds, arguments.workers) for folds in PARTS]
    answers = []
    for held_out in range(arguments.rounds):
        model = network(len(LABELS))
        print(f"folds {PARTS[held_out]} held out, loss by epoch:", end="")
        learnt = batches_of(parts[:held_out] + parts[held_out + 1 :], shuffle=True)
        for loss in train(model, learnt, arguments.epochs):
            print(f" {loss:.3f}", end="", flush=True)
        print()
        answers.append(ask(model, batches_of([parts[held_out]], shuffle=False)))
    print(report(torch.cat(answers, dim=1)))


if __name__ == "__main__":
    main()
