"""Learn labels from a collection: ``python examples/train.py machex_demo/machex_dataset``.

On the demo that takes less than a minute without a GPU. Its films are few and invented, so all that can be
learned is these; on a real collection, train and validate on different ``folds``, as the comment says.
Several labels at once, of which most are unknown for most films: what nobody stated has no part in the loss.
"""

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1]))  # where dataset.py is; not needed where it was copied
from dataset import MaCheXDataset

Batches: TypeAlias = "DataLoader[dict[str, torch.Tensor]]"
LABELS = ["effusion", "lung_opacity", "pneumothorax", "no_finding"]


def training_pictures(root: str) -> MaCheXDataset:
    """Open what is trained on: small grey pictures as bytes, which cost the workers least."""
    return MaCheXDataset(
        root,
        view="frontal",
        # folds=range(9),  # and folds=9 to validate on: no patient is in both
        size=64,
        channels=1,
        dtype="uint8",
        labels=LABELS,
        uncertain="ignore",
        on_error="skip",
    )


def network(labels: int) -> nn.Module:
    """Make a small convolutional network for pictures of 64 x 64."""
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, labels))


def known_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the mean loss over the labels that are known; 0 if none is."""
    known = ~torch.isnan(labels)
    total = binary_cross_entropy_with_logits(logits[known], labels[known], reduction="sum")
    return total / known.sum().clamp(1)


def report(model: nn.Module, batches: Batches) -> str:
    """Say how many of the known labels the network tells, and who always says what is more frequent."""
    model.eval()
    with torch.no_grad():
        pairs = [(model(batch["img"].float() / 255) > 0, batch["labels"]) for batch in batches]
    found, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    known = ~torch.isnan(labels)
    right = (found == (labels == 1))[known].float().mean()
    present = (labels == 1).sum(0)
    guessed = torch.maximum(present, known.sum(0) - present).sum() / known.sum()
    return f"told right: {right:.2f} of the known labels; by guessing: {guessed:.2f} of the known labels"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Learn labels from a collection.")
    parser.add_argument("root", help="the collection, MACHEX_PATH of the configuration")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--workers", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, and print how the loss falls."""
    arguments = parse_arguments()

    torch.manual_seed(0)
    pictures = training_pictures(arguments.root)
    print(pictures)
    batches: Batches = DataLoader(
        pictures,
        batch_size=8,
        shuffle=True,
        num_workers=arguments.workers,
        generator=torch.Generator().manual_seed(0),
    )
    model = network(len(pictures.label_names))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in range(arguments.epochs):
        model.train()
        total = 0.0
        for batch in batches:
            loss = known_loss(model(batch["img"].float() / 255), batch["labels"])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # of PyTorch
            optimiser.step()
            total += loss.item()
        print(f"epoch {epoch}: loss {total / len(batches):.3f}")
    print(report(model, batches))
    if pictures.skipped:
        print(f"{len(pictures.skipped)} pictures could not be read: {pictures.skipped[:10]}")


if __name__ == "__main__":
    main()
