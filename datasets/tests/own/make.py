"""Writes the files that own data is tested on, with NumPy 2.4 and Pillow 13.0, and what these two make of them.

    python make.py

`.bin` files are bytes, images x channels x height x width, as NumPy and Pillow have them.
"""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
random = np.random.default_rng(0)


def images(*shape):
    return random.integers(0, 256, shape, dtype=np.uint8)


def planes(image):
    """Channels first."""
    array = np.asarray(image)
    return array if array.ndim == 2 else np.moveaxis(array, -1, 0)


def expect(name, array):
    (HERE / f"{name}.bin").write_bytes(np.ascontiguousarray(array, dtype=np.uint8).tobytes())


# MedMNIST's layout: labels of shape (n, 1).
parts = {}
for part, count in (("train", 6), ("val", 2), ("test", 4)):
    parts[f"{part}_images"] = images(count, 6, 6, 3)
    parts[f"{part}_labels"] = random.integers(0, 3, (count, 1), dtype=np.uint8)
np.savez_compressed(HERE / "medmnist.npz", **parts)
expect("medmnist-test", np.moveaxis(parts["test_images"], -1, 1))
expect("medmnist-labels", parts["test_labels"])

# Keras' layout, labels as 64-bit integers, images as floats from 0 to 255.
x, y = images(5, 4, 4), random.integers(0, 10, 5)
np.savez(HERE / "keras.npz", x_train=x[:2].astype("f4"), y_train=y[:2], x_test=x.astype("f4"), y_test=y)
expect("keras-test", x)

# Sixteen bits in big-endian Fortran order beside their labels.
deep = np.asfortranarray(images(3, 4, 5).astype(">u2") * 257)
np.save(HERE / "images.npy", deep)
np.save(HERE / "labels.npy", np.array([0, 1, 0], dtype=np.int8))
expect("images", deep // 257)

# One photograph in the forms that people have.
smooth = np.linspace(0, 1, 30)[:, None, None] * np.array([200, 90, 10]) + np.linspace(0, 50, 40)[None, :, None]
photo = Image.fromarray((smooth + images(30, 40, 3) % 5).astype(np.uint8))
photo.save(HERE / "photo.png")
expect("photo", planes(photo))
expect("photo-20x15", planes(photo.resize((20, 15), Image.BILINEAR)))
expect("photo-60x45", planes(photo.resize((60, 45), Image.BILINEAR)))
expect("photo-square", planes(photo.resize((16, 16), Image.BILINEAR)))
expect("photo-cropped", planes(photo.crop((5, 0, 35, 30)).resize((16, 16), Image.BILINEAR)))
expect("photo-grey", planes(photo.convert("L")))
photo.convert("P", palette=Image.ADAPTIVE, colors=16).save(HERE / "palette.png")
# A palette that ends within a colour, with the right checksum.
whole = (HERE / "palette.png").read_bytes()
at = whole.index(b"PLTE")
length = int.from_bytes(whole[at - 4 : at], "big")
short = b"PLTE" + whole[at + 4 : at + 4 + length - 2]
checked = (length - 2).to_bytes(4, "big") + short + zlib.crc32(short).to_bytes(4, "big")
(HERE / "cut-palette.png").write_bytes(whole[: at - 4] + checked + whole[at + 8 + length :])
expect("palette", planes(photo.convert("P", palette=Image.ADAPTIVE, colors=16).convert("RGB")))
photo.convert("1").save(HERE / "one-bit.png")
expect("one-bit", planes(photo.convert("1").convert("L")))
photo.convert("CMYK").save(HERE / "cmyk.jpg")
photo.convert("L").save(HERE / "grey.jpg", quality=95)
expect("grey-jpeg", planes(Image.open(HERE / "grey.jpg")))
photo.save(HERE / "progressive.jpg", quality=95, progressive=True, subsampling=0)
expect("progressive", planes(Image.open(HERE / "progressive.jpg")))
exif = Image.Exif()
exif[0x0112] = 6
photo.save(HERE / "turned.jpg", quality=95, subsampling=0, exif=exif)
stored = Image.open(HERE / "turned.jpg")
expect("turned-stored", planes(stored))
expect("turned-upright", planes(stored.transpose(Image.ROTATE_270)))
translucent = photo.convert("RGBA")
translucent.putalpha(128)
translucent.save(HERE / "translucent.png")
photo.convert("RGBA").save(HERE / "opaque.png")
Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 54).save(HERE / "sixteen-bit.png")
photo.save(HERE / "animated.png", save_all=True, append_images=[photo.transpose(Image.FLIP_TOP_BOTTOM)])
photo.convert("P").save(HERE / "photo.gif")
