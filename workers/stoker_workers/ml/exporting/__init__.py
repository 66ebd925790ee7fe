"""Models as files that other programs load: one file per format, each with a function that writes it into a folder.

| format | file | of a Keras model | of an imported SavedModel |
| --- | --- | --- | --- |
| savedmodel | `savedmodel.py` | traced, inputs and outputs by name | as it is; its entry is made the serving one |
| litert | `litert.py` | frozen, converted | frozen, converted |
| onnx | `onnx.py`, `lookups.py` | frozen, converted; tables of texts become `LabelEncoder` | frozen, converted |
| keras, h5 | `making.py` | saved | refused: it has no layers any more |

`making.py` chooses, and `comparing.py` computes some rows by the version and by what was made of it.
"""
