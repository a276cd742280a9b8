"""The same as ``train.py`` with Lightning.

``python examples/train_lightning.py machex_demo/machex_dataset``
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # where dataset.py is; not needed where it was copied
from examples.train import (
    LABELS,
    LEARNING_RATE,
    PARTS,
    augmented,
    batches_of,
    known_loss,
    network,
    parse_arguments,
    read,
    report,
    standardised,
)

try:
    import lightning.pytorch as lightning
except ImportError:
    sys.exit("this example needs Lightning: pip install lightning")

Batch = tuple[torch.Tensor, torch.Tensor]


class Classifier(lightning.LightningModule):
    """The network of ``train.py``, its loss over the labels that are known, and its answers when held out."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.network = network(labels)
        self.losses: list[float] = []
        self.answers: list[torch.Tensor] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Give a logit for each label."""
        logits: torch.Tensor = self.network(pictures)
        return logits

    def training_step(self, batch: Batch) -> torch.Tensor:
        """Give the loss of a batch."""
        pictures, labels = batch
        loss = known_loss(self(augmented(pictures)), labels)
        self.losses.append(loss.item())
        return loss

    def on_train_epoch_end(self) -> None:
        """Say how the loss falls."""
        print(f" {sum(self.losses) / len(self.losses):.3f}", end="", flush=True)
        self.losses.clear()

    def validation_step(self, batch: Batch) -> None:
        """Keep logits and labels of films that were held out."""
        pictures, labels = batch
        self.answers.append(torch.stack((self(standardised(pictures)), labels)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Choose the optimiser."""
        return torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE)


def main() -> None:
    """Train, print how the loss falls, and what is told of the films held out."""
    arguments = parse_arguments()
    lightning.seed_everything(arguments.seed)
    parts = [read(arguments.root, folds, arguments.workers) for folds in PARTS]
    answers = []
    for held_out in range(arguments.rounds):
        model = Classifier(len(LABELS))
        trainer = lightning.Trainer(
            max_epochs=arguments.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        print(f"folds {PARTS[held_out]} held out, loss by epoch:", end="")
        trainer.fit(model, batches_of(parts[:held_out] + parts[held_out + 1 :], shuffle=True))
        print()
        trainer.validate(model, batches_of([parts[held_out]], shuffle=False), verbose=False)
        answers += model.answers
    print(report(torch.cat(answers, dim=1)))


if __name__ == "__main__":
    main()
