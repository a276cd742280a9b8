"""From pixels to the bytes of a picture file."""

import io

from PIL import Image

from composer.imaging.picture import Pixels
from composer.imaging.recipe import Recipe


def encode(pixels: Pixels, recipe: Recipe) -> bytes:
    """Return the file, without any metadata.

    Parameters
    ----------
    pixels
        Of any size; 0 black to ``recipe.white``.
    recipe
        ``image_format``, ``image_mode`` and ``jpeg_quality`` are used.
    """
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    if recipe.image_format == "png16":
        image.save(file, format="PNG")
        return file.getvalue()
    if recipe.image_mode == "RGB":
        image = Image.merge("RGB", (image, image, image))
    if recipe.image_format == "png":
        image.save(file, format="PNG")
    else:
        image.save(file, format="JPEG", quality=recipe.jpeg_quality)
    return file.getvalue()
