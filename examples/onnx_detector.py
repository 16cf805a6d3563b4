"""Run an exported detector on a picture; needs onnxruntime, numpy and Pillow alone.

oddscape export street.onnx
python onnx_detector.py street.onnx street.jpg anomaly.png
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

exported, picture, result = sys.argv[1:]
detector = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
names = json.loads(detector.get_modelmeta().custom_metadata_map["classes"])
image = np.asarray(Image.open(picture).convert("RGB"))
classes, score, anomaly = detector.run(["classes", "score", "anomaly"], {"image": image[None]})
Image.fromarray(anomaly[0]).save(result)
print(f"{100 * anomaly.mean():.1f} % of the picture is anomalous; the highest score is {score.max():.2f}")
for number in np.unique(classes[~anomaly]):
    print(f"{names[number]}: {100 * np.mean((classes == number) & ~anomaly):.1f} %")
