"""From grey levels to the bytes of a picture file."""

import io

import numpy as np
from PIL import Image

from composer.imaging.picture import Levels
from composer.imaging.recipe import Recipe


def encode(levels: Levels, recipe: Recipe) -> bytes:
    """Return the file: quantised by one rounding, without any metadata.

    Parameters
    ----------
    levels
        Of any size; 0 black to 1 white.
    recipe
        ``image_format``, ``image_mode`` and ``jpeg_quality`` are used.
    """
    file = io.BytesIO()
    if recipe.image_format == "png16":
        Image.fromarray(np.rint(65535 * levels).astype(np.uint16)).save(file, format="PNG")
        return file.getvalue()
    image = Image.fromarray(np.rint(255 * levels).astype(np.uint8))
    if recipe.image_mode == "RGB":
        image = Image.merge("RGB", (image, image, image))
    if recipe.image_format == "png":
        image.save(file, format="PNG")
    else:
        image.save(file, format="JPEG", quality=recipe.jpeg_quality)
    return file.getvalue()
