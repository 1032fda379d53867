"""Options of videos: digits that move, and folders of images."""

from pydantic import Field

from stforecast.options.base import Options


class MovingMNISTOptions(Options):
    """Sequences that the reader moving-mnist makes of digits."""

    train: int = Field(
        10_000, ge=1, description="sequences of one epoch of the training, which are never stored"
    )
    validation: int = Field(1_000, ge=0, description="sequences that weights are chosen by")
    test: int = Field(10_000, ge=1, description="sequences of the test")
    frames: int = Field(20, ge=2, description="frames of a sequence")
    digits: int = Field(2, ge=1, description="digits in a sequence")
    size: int = Field(64, ge=1, description="rows and columns of a frame")
    seed: int = Field(0, ge=0, lt=2**63, description="of the digits' ways and of who is tested")


class ImageSize(Options):
    """Rows and columns of an image."""

    height: int = Field(ge=1)
    width: int = Field(ge=1)


class FrameOptions(Options):
    """How the reader frames takes sequences from folders of images."""

    length: int | None = Field(
        None,
        ge=2,
        description="frames of each sequence, from its first; shorter sequences are left out. By "
        "default as many as the shortest has",
    )
    resize: ImageSize | None = Field(
        None, description="rows and columns to bring all images to, such as {height: 64, width: 64}"
    )
    colour: bool | None = Field(
        None,
        description="true for red, green and blue, false for their intensity alone; by default as "
        "the first image is",
    )
