"""Writes ready-made image classifiers as their exporters write them, each with the logits onnxruntime computes.

    python shelf.py FOLDER [torchvision] [timm] [keras] [only=WORD]

Weights are untrained, normalisations fitted to noise; files are never committed (2.3 GB). `torchvision` and `timm` need torch,
torchvision, timm, onnxscript and onnxruntime; `keras` needs tensorflow, tf2onnx and onnxruntime. Images are 224x224
where the name says so and 64x64 elsewhere, which these architectures allow and which takes a twelfth of the time.
`cargo test --release -p veilbench-networks --test networks -- --ignored shelf` reads the folder that VEILBENCH_SHELF names.
"""

import json
import sys
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "fixtures"))
from make import pixels, record  # noqa: E402

SMALL, FULL = 64, 224
SCRIPT, DYNAMO = "torchscript", "dynamo"

# Architecture, exporter, operator set, whether the batch is dynamic, size, and what is special.
TORCHVISION = [
    ("resnet18", SCRIPT, 9, False, SMALL, {}),
    ("resnet18", SCRIPT, 13, True, SMALL, {}),
    ("resnet18", SCRIPT, 17, False, SMALL, {"functions": True, "unfused": True}),
    ("resnet18", DYNAMO, 18, False, SMALL, {}),
    ("resnet50", SCRIPT, 11, True, FULL, {}),
    ("resnet50", SCRIPT, 17, False, FULL, {"unfused": True}),
    ("resnet50", DYNAMO, 18, True, FULL, {"external": True}),
    ("vgg16", SCRIPT, 12, False, FULL, {}),
    ("vgg16", DYNAMO, 18, True, FULL, {"external": True}),
    ("mobilenet_v2", SCRIPT, 9, True, SMALL, {}),
    ("mobilenet_v2", SCRIPT, 13, False, SMALL, {"unfused": True}),
    ("mobilenet_v2", DYNAMO, 20, True, SMALL, {}),
    ("squeezenet1_0", SCRIPT, 10, False, SMALL, {}),
    ("squeezenet1_1", SCRIPT, 16, True, SMALL, {"external": True}),
    ("squeezenet1_1", DYNAMO, 18, False, SMALL, {"optimize": False}),
    ("densenet121", SCRIPT, 9, False, SMALL, {}),
    ("densenet121", SCRIPT, 15, True, SMALL, {"unfused": True}),
    ("densenet121", DYNAMO, 21, True, SMALL, {}),
    ("googlenet", SCRIPT, 11, False, SMALL, {}),
    ("googlenet", SCRIPT, 17, True, SMALL, {"unfused": True}),
    ("googlenet", DYNAMO, 18, True, SMALL, {}),
    ("shufflenet_v2_x1_0", SCRIPT, 11, False, SMALL, {}),
    ("shufflenet_v2_x1_0", SCRIPT, 17, True, SMALL, {}),
    ("shufflenet_v2_x1_0", DYNAMO, 23, True, SMALL, {}),
]
TIMM = [
    ("tf_efficientnet_lite0", SCRIPT, 11, False, SMALL, {}),
    ("tf_efficientnet_lite0", DYNAMO, 20, True, SMALL, {}),
    ("efficientnet_lite0", SCRIPT, 17, True, SMALL, {}),
    ("resnet26d", SCRIPT, 13, True, SMALL, {}),
    ("mobilenetv2_100", DYNAMO, 18, True, SMALL, {"optimize": False}),
    ("mobilenetv3_small_100", SCRIPT, 14, True, SMALL, {}),
]
KERAS = [
    ("ResNet50", 13, True, {}),
    ("MobileNetV2", 15, True, {}),
    ("VGG16", 17, False, {"softmax": True}),
    ("DenseNet121", 11, True, {}),
    ("ResNet50V2", 18, True, {}),
]


def name_of(source, architecture, exporter, opset, dynamic, size, special):
    parts = [source, architecture.lower(), exporter, str(opset), "dynamic" if dynamic else "fixed"]
    return "-".join(parts + ([str(size)] if size != SMALL else []) + sorted(special))


def store(path):
    """The logits, which must tell something from nothing."""
    record(path)
    expected = json.loads(path.with_suffix(".json").read_text())
    logits = np.array(expected["logits"])
    spread = logits.std() if expected["end"] is None else np.log(logits).std()
    print(f"{path.stem}: logits {logits.shape[1]}, spread {spread:.3g}", flush=True)
    assert np.isfinite(logits).all() and spread > 1e-2


def fitted(model, size):
    """The model for inference, its normalisations fitted to noise."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    with torch.no_grad():
        model.train()(torch.randn(4, 3, size, size))
        # Deep chains without normalisation leave logits of nothing but the last bias, and others large ones.
        linear = [module for module in model.modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))]
        scale = model.eval()(torch.tensor(pixels([2, 3, size, size]))).std()
        linear[-1].weight *= 2 / scale
    return model.eval()


def external(path, per_tensor):
    """Moves the weights out of a model, into one file or one for each tensor."""
    import onnx

    model = onnx.load(path)
    location = None if per_tensor else f"{path.stem}.data"
    onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=not per_tensor, location=location)


def with_functions(path):
    """Makes each convolution and the normalisation behind it a call of a function."""
    import onnx
    from onnx import helper

    model = onnx.load(path)
    norms = {node.input[0]: node for node in model.graph.node if node.op_type == "BatchNormalization"}
    names = ["dilations", "group", "kernel_shape", "pads", "strides"]
    conv = helper.make_node("Conv", ["x", "w"], ["c"], name="conv")
    for name in names:
        kind = onnx.AttributeProto.INT if name == "group" else onnx.AttributeProto.INTS
        conv.attribute.add(name=name, ref_attr_name=name, type=kind)
    norm = helper.make_node("BatchNormalization", ["c", "s", "o", "m", "v"], ["y"], name="norm", epsilon=1e-5)
    opset = [helper.make_opsetid("", model.opset_import[0].version)]
    inner = helper.make_function("shelf", "ConvNorm", list("xwsomv"), ["y"], [conv, norm], opset, names)
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Conv" and node.output[0] in norms:
            norm = norms[node.output[0]]
            call = helper.make_node("ConvNorm", [*node.input[:2], *norm.input[1:]], norm.output[:1], domain="shelf")
            call.name = node.name
            call.attribute.extend(node.attribute)
            nodes.append(call)
        elif not (node.op_type == "BatchNormalization" and node.input[0] in {c.output[0] for c in model.graph.node if c.op_type == "Conv"}):
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.functions.append(inner)
    model.opset_import.append(helper.make_opsetid("shelf", 1))
    onnx.save(model, path)


def export_torch(folder, source, create, entry):
    import torch

    architecture, exporter, opset, dynamic, size, special = entry
    path = folder / f"{name_of(source, *entry)}.onnx"
    model = create(architecture, size)
    images = torch.randn(2 if dynamic else 1, 3, size, size)
    if exporter == SCRIPT:
        unfused = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
        torch.onnx.export(
            model, (images,), path, dynamo=False, opset_version=opset, input_names=["image"], output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}} if dynamic else None,
            **(unfused if "unfused" in special else {}),
        )  # fmt: skip
        if "functions" in special:
            with_functions(path)
        if "external" in special:
            external(path, per_tensor=True)
    else:
        torch.onnx.export(
            model, (images,), path, dynamo=True, opset_version=opset, input_names=["image"], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic else None,
            optimize=special.get("optimize", True), external_data=special.get("external", False), verbose=False,
        )  # fmt: skip
    store(path)


def torchvision(folder, entries):
    import torch
    import torchvision.models

    made = {}

    def create(architecture, size):
        if (architecture, size) not in made:
            torch.manual_seed(len(architecture))
            options = {"aux_logits": False, "init_weights": True} if architecture == "googlenet" else {}
            made.clear()
            model = getattr(torchvision.models, architecture)(weights=None, **options)
            made[architecture, size] = fitted(model, size)
        return made[architecture, size]

    each(entries, lambda entry: export_torch(folder, "torchvision", create, entry))


def timm(folder, entries):
    import timm
    import torch

    def create(architecture, size):
        torch.manual_seed(len(architecture))
        return fitted(timm.create_model(architecture, pretrained=False, exportable=True), size)

    each(entries, lambda entry: export_torch(folder, "timm", create, entry))


def keras(folder, entries):
    import tensorflow as tf
    import tf2onnx

    random = np.random.default_rng(0)

    def export(entry):
        architecture, opset, dynamic, special = entry
        tf.keras.utils.set_random_seed(0)
        end = "softmax" if "softmax" in special else None
        create = getattr(tf.keras.applications, architecture)
        model = create(weights=None, input_shape=(SMALL, SMALL, 3), classes=10, classifier_activation=end)
        for layer in model.layers:
            if isinstance(layer, tf.keras.layers.BatchNormalization):
                low = [0.7, -0.2, -0.2, 0.5]
                weights = [random.uniform(low, low + 0.6, old.shape) for low, old in zip(low, layer.get_weights())]
                layer.set_weights(weights)
        images = random.standard_normal((2, SMALL, SMALL, 3)).astype(np.float32)
        body = tf.keras.Model(model.input, model.layers[-1].input)
        head = model.layers[-1]
        scale = np.std(np.asarray(body(images)) @ head.get_weights()[0])
        head.set_weights([head.get_weights()[0] * 2 / scale, head.get_weights()[1]])
        signature = (tf.TensorSpec((None if dynamic else 1, SMALL, SMALL, 3), tf.float32, name="image"),)
        path = folder / f"{name_of('keras', architecture, 'tf2onnx', opset, dynamic, SMALL, special)}.onnx"
        function = tf.function(lambda image: model(image, training=False), input_signature=signature)
        tf2onnx.convert.from_function(function, input_signature=signature, opset=opset, output_path=str(path))
        store(path)

    each(entries, export)


def each(entries, write):
    for entry in entries:
        try:
            write(entry)
        except Exception:
            print(f"FAILED {entry}", flush=True)
            traceback.print_exc(limit=-3)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    words = [word.removeprefix("only=") for word in sys.argv[2:] if word.startswith("only=")]
    wanted = [word for word in sys.argv[2:] if not word.startswith("only=")] or ["torchvision", "timm", "keras"]
    for name, make, entries in [("torchvision", torchvision, TORCHVISION), ("timm", timm, TIMM), ("keras", keras, KERAS)]:
        if name in wanted:
            make(folder, [entry for entry in entries if not words or any(word in str(entry) for word in words)])


if __name__ == "__main__":
    main()
