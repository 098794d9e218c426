"""Devices: what is there is taken, what is not is named."""

from __future__ import annotations

import pytest
import torch

from fusion.training.device import DeviceError, pick_device


def test_device_auto_is_cuda_where_there_is_one():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceError, match=r"--device cuda: .*--device cpu or auto"):
        pick_device("cuda")
