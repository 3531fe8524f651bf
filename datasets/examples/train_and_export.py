"""Trains a small classifier on a folder of images and exports it for veilbench.

    python train_and_export.py FOLDER MODEL.onnx [--epochs N]

FOLDER holds `train/CLASS/*.png` and `test/CLASS/*.png`, all of one size. Needs torch, torchvision, pillow and onnx
(`pip install torch torchvision pillow onnx`). The last line printed is the test accuracy, as `correct of all`.

What veilbench has to know of the file: pixels are scaled to 0..1, less 0.5, divided by 0.5, and classes are in the order
of their folders' names.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def read(folder, grey):
    steps = [transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    return datasets.ImageFolder(folder, transforms.Compose([transforms.Grayscale()] * grey + steps))


def network(channels, size, classes):
    features = nn.Sequential(
        nn.Conv2d(channels, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten()
    )
    with torch.no_grad():
        flat = features(torch.zeros(1, channels, *size)).shape[1]
    return nn.Sequential(features, nn.Linear(flat, 32), nn.ReLU(), nn.Linear(32, classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.manual_seed(0)

    with Image.open(next(options.folder.glob("train/*/*"))) as first:
        grey = first.mode in ("1", "L")
    train, test = (read(options.folder / part, grey) for part in ("train", "test"))
    channels, *size = train[0][0].shape
    model = network(channels, size, len(train.classes))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for epoch in range(options.epochs):
        for images, labels in DataLoader(train, 32, shuffle=True):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimiser.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

    model.eval()
    torch.onnx.export(
        model,
        torch.zeros(1, channels, *size),
        options.model,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        correct = sum((model(images).argmax(1) == labels).sum().item() for images, labels in DataLoader(test, 100))
    print(f"{correct} of {len(test)}")


if __name__ == "__main__":
    main()
