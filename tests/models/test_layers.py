"""Layers: circular padding by comparison with plain layers on a field continued by hand."""

import pytest
import torch

from stforecast.models.layers import (
    Conv2d,
    ConvTranspose2d,
    DropPath,
    crop_from_multiple,
    pad_to_multiple,
    wrap_x,
)


def noise(*size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", [0, 1, 4, 5, 11])
def test_columns_go_on_round_the_globe(size: int) -> None:
    x = torch.arange(5.0).expand(1, 1, 2, 5)
    expected = [float(i % 5) for i in range(-size, 5 + size)]
    assert wrap_x(x, size)[0, 0, 1].tolist() == expected


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_periodic_convolution_sees_the_whole_globe(kernel: int, stride: int) -> None:
    x = noise(2, 3, 6, 8)
    plain = Conv2d(3, 4, kernel, stride=stride)
    periodic = Conv2d(3, 4, kernel, stride=stride, periodic_x=True)
    periodic.load_state_dict(plain.state_dict())
    three = plain(torch.cat((x, x, x), dim=-1))
    width = 8 // stride
    torch.testing.assert_close(periodic(x), three[..., width : 2 * width])


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_periodic_transposed_convolution_sees_the_whole_globe(kernel: int, stride: int) -> None:
    x = noise(2, 3, 4, 6)
    plain = ConvTranspose2d(3, 4, kernel, stride=stride)
    periodic = ConvTranspose2d(3, 4, kernel, stride=stride, periodic_x=True)
    periodic.load_state_dict(plain.state_dict())
    assert plain(x).shape == (2, 4, 4 * stride, 6 * stride)
    three = plain(torch.cat((x, x, x), dim=-1))
    torch.testing.assert_close(periodic(x), three[..., 6 * stride : 12 * stride])


def test_a_dilated_convolution_keeps_the_grid() -> None:
    assert Conv2d(2, 2, 7, dilation=3, groups=2)(noise(1, 2, 5, 6)).shape == (1, 2, 5, 6)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 8), (8, 5), (1, 1), (9, 15)])
def test_padding_is_undone_by_cropping(height: int, width: int, periodic: bool) -> None:
    x = noise(2, 3, height, width)
    padded = pad_to_multiple(x, 4, periodic)
    assert padded.shape[-2] % 4 == 0
    assert padded.shape[-1] % 4 == 0
    assert padded.shape[-2] - height < 4
    assert torch.equal(crop_from_multiple(padded, 4, height, width), x)


def test_padding_repeats_the_border_or_goes_round() -> None:
    x = torch.arange(3.0).expand(1, 1, 1, 3)
    assert pad_to_multiple(x, 4, False)[0, 0].tolist() == [[0, 1, 2, 2]] * 4
    x = torch.arange(6.0).expand(1, 1, 4, 6)
    assert pad_to_multiple(x, 4, True)[0, 0, 0].tolist() == [5, 0, 1, 2, 3, 4, 5, 0]
    assert pad_to_multiple(x, 2, True) is x


def test_drop_path_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer = DropPath(0.25)
    y = layer(torch.ones(4000, 2, 1, 1))
    assert sorted(set(y.flatten().tolist())) == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(y[:, 0], y[:, 1])
    assert y.mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(y), y)
