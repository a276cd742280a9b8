"""Importing this compiles what is compiled at its first use.

It is for the process that workers are forked from: they share the code, and none spends seconds on it.
"""

import io

import numpy as np
from PIL import Image

from composer.imaging import png
from composer.imaging.facts import Facts
from composer.imaging.fingerprint import fingerprint
from composer.imaging.oddities import note_oddities
from composer.imaging.picture import Grey
from composer.imaging.resample import Axis, resample

for _index in (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16)):
    _file = io.BytesIO()
    Image.fromarray(_index).save(_file, format="PNG")
    png.decode(_file.getvalue(), Facts())
    fingerprint(Grey(_index, np.zeros(1)))
    note_oddities(Grey(np.zeros((32, 32), _index.dtype), np.zeros(1)), Facts())
    for _white in (255, 65535):
        resample(Grey(_index, np.zeros(1)), Axis(8, 4, 0, 4), Axis(8, 4, 0, 4), _white)
