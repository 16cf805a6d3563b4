import pytest
import torch

from oddscape.training import state_file


def test_nested_state_comes_back(tmp_path):
    parameter = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = torch.optim.Adam([parameter], lr=1e-3)
    parameter.sum().backward()
    optimizer.step()
    state = {"step": 7, "optimizer": optimizer.state_dict(), "scaler": {}, "none": None}
    (tmp_path / "s.safetensors").write_bytes(state_file.to_bytes(state))
    back = state_file.from_file(tmp_path / "s.safetensors")
    assert back["step"] == 7
    assert back["scaler"] == {}
    assert back["none"] is None
    assert list(back["optimizer"]["state"]) == [0]
    for key, tensor in state["optimizer"]["state"][0].items():
        assert torch.equal(back["optimizer"]["state"][0][key], tensor)
    optimizer.load_state_dict(back["optimizer"])


def test_another_safetensors_file_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "s.safetensors")
    with pytest.raises(KeyError):
        state_file.from_file(tmp_path / "s.safetensors")
