"""Train the small network whose features measure sample quality, and write its weights into the package.

    python benchmarks/feature_net.py --data-dir DIR

Trained on the 60,000 training digits of MNIST, one thread, one seed. Prints its accuracy on the 10,000 test digits and
the SHA-256 to put into `aae/metrics/features.py`. New weights change every FID and KID: do it for a release only.
"""

from __future__ import annotations

import argparse
import hashlib

import safetensors.torch
import torch
from torch import nn

from aae.data.mnist import read_mnist
from aae.metrics.features import WEIGHTS, DigitNet

EPOCHS, BATCH, RATE = 4, 128, 2e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, classes, held_out = read_mnist(given.data_dir)
    x, y = torch.from_numpy(images).float()[:, None] / 255, torch.from_numpy(classes).long()
    n = len(x) - held_out
    net, steps = DigitNet(), EPOCHS * (n // BATCH)
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        for rows in torch.randperm(n)[: n // BATCH * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(net.logits(net(x[rows])), y[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            right = (net.logits(net(x[n:])).argmax(1) == y[n:]).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, test accuracy {right:.2%}")
    content = safetensors.torch.save({name: value.contiguous() for name, value in net.state_dict().items()})
    WEIGHTS.write_bytes(content)
    print(f"{WEIGHTS.name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
