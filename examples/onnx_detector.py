"""Run an exported detector on a picture; needs onnxruntime, numpy and Pillow alone.

oddscape export street.onnx
python onnx_detector.py street.onnx street.jpg result.png

The result shows anomalies in white; where the file holds no threshold, the higher the score, the brighter.
Where the threshold is an input, give it at the end, or leave it out for the one that the detector had.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

exported, picture, result, *threshold = sys.argv[1:]
detector = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
about = detector.get_modelmeta().custom_metadata_map
inputs = {"image": np.asarray(ImageOps.exif_transpose(Image.open(picture)).convert("RGB"))[None]}
if about["threshold_input"] == "true":
    threshold = threshold or [about["threshold"] or sys.exit("give a threshold at the end")]
    inputs["threshold"] = np.array(threshold, np.float32)
elif threshold:
    sys.exit("this file takes no threshold")
classes, score, *anomaly = (maps[0] for maps in detector.run(None, inputs))
shown = anomaly[0] if anomaly else (score - score.min()) / (np.ptp(score) or 1)
Image.fromarray((255 * shown).astype(np.uint8)).save(result)
if anomaly:
    print(f"{anomaly[0].mean():.1%} of the picture is anomalous")
for number in np.unique(classes):
    print(f"{json.loads(about['classes'])[number]}: {np.mean(classes == number):.1%}")
