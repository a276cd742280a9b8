"""The same as ``train.py`` with Lightning.

``python examples/train_lightning.py machex_demo/machex_dataset``
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1]))  # where dataset.py is; not needed where it was copied
from examples.train import (
    known_loss,
    network,
    parse_arguments,
    report,
    training_pictures,
)

try:
    import lightning.pytorch as lightning
except ImportError:
    sys.exit("this example needs Lightning: pip install lightning")


class Classifier(lightning.LightningModule):
    """The network of ``train.py``, and its loss over the labels that are known."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.network = network(labels)
        self.losses: list[float] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Give a logit for each label."""
        logits: torch.Tensor = self.network(pictures)
        return logits

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Give the loss of a batch."""
        loss = known_loss(self(batch["img"].float() / 255), batch["labels"])
        self.losses.append(loss.item())
        return loss

    def on_train_epoch_end(self) -> None:
        """Say how the loss falls."""
        print(f"epoch {self.current_epoch}: loss {sum(self.losses) / len(self.losses):.3f}")
        self.losses.clear()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Choose the optimiser."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main() -> None:
    """Train, and print how the loss falls."""
    arguments = parse_arguments()
    lightning.seed_everything(0)
    pictures = training_pictures(arguments.root)
    print(pictures)
    batches: DataLoader[dict[str, torch.Tensor]] = DataLoader(
        pictures, batch_size=8, shuffle=True, num_workers=arguments.workers
    )
    model = Classifier(len(pictures.label_names))
    trainer = lightning.Trainer(
        max_epochs=arguments.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, batches)
    print(report(model, batches))


if __name__ == "__main__":
    main()
