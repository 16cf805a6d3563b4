"""What README and docs show: Python that runs, command lines that parse, links that lead somewhere."""

import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from cyclopts.exceptions import MissingArgumentError
from PIL import Image
from torch import nn

from oddscape.cli import app, main
from oddscape.model_figures import model_figures
from oddscape.models import MODELS, create_model
from oddscape.models.architectures import ARCHITECTURES
from oddscape.protocol_file import read_protocol
from oddscape.training.config import TrainConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


class Block(NamedTuple):
    """A fenced block of a page, the line before its first, and why it is not run, if it is not."""

    code: str
    line: int
    reason: str | None


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    fence = rf"(?:^<!-- not run: (.+) -->\n)?^```{language}\n((?:.*\n)*?)```$"
    fences = re.finditer(fence, text, re.MULTILINE)
    return [Block(f[2], text.count("\n", 0, f.start(2)), f[1]) for f in fences]


def pages_with(found: Callable[[Path], object]) -> list[object]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES if found(page)]


# ── Python ──────────────────────────────────────────────────────────────────────────────────────────────────


def picture(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def erfnet(path: Path) -> None:
    torch.save(create_model("erfnet", 19, void=True).state_dict(), path)


def densenet(path: Path) -> None:
    weights = create_model("ldn121", 2).get_submodule("backbone").state_dict()
    torch.save(weights | {"classifier.bias": torch.zeros(1000)}, path)


def segformer(path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    widths = {"hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 16, "depths": [1] * 4}
    config = transformers.SegformerConfig(**widths, num_attention_heads=[1, 1, 2, 2], num_labels=5)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(path)
    colours = '{"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}'
    (path / "preprocessor_config.json").write_text(colours)


FILES = {
    "street.jpg": picture,
    "erfnet_city20.pth": erfnet,
    "densenet121-a639ec97.pth": densenet,
    "folder-or-hub-id": segformer,
}
"""What makes each file of the user's that pages speak of; smaller, where its size does not matter."""


class YourModule(nn.Module):
    """A network of 20 outputs that returns a dict, with a layer called ``body``."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classifier = nn.Conv2d(3, 8, 3, stride=8, padding=1), nn.Conv2d(8, 20, 1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.classifier(self.body(image))}


def users_names() -> dict[str, object]:
    """What pages take as given, by name."""
    rng = np.random.default_rng(0)
    score, truth = rng.random((8, 9), np.float32), rng.integers(0, 2, (8, 9), np.uint8)
    return {"your_module": YourModule(), "score": score, "truth": truth}


@pytest.mark.parametrize("page", pages_with(lambda page: blocks(page, "python")))
@pytest.mark.usefixtures("streethazards_folder")
def test_every_block_of_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    text, names = page.read_text(encoding="utf-8"), users_names()
    for name, make in FILES.items():
        if name in text:
            make(tmp_path / name)
    for block in blocks(page, "python"):
        if block.reason:
            print(f"{page.name}:{block.line}: not run: {block.reason}")
            continue
        if file := re.match(r"# (\w+\.py)\n", block.code):
            Path(file[1]).write_text(block.code)
        # Empty lines before it, so that errors name the line of the page.
        exec(compile("\n" * block.line + block.code, page, "exec"), names)


@pytest.mark.parametrize("page", pages_with(lambda page: blocks(page, "toml")))
def test_every_block_of_toml_is_a_protocol_or_a_training_run(page, tmp_path):
    own = tmp_path / "own.toml"
    for block in blocks(page, "toml"):
        own.write_text(block.code)
        if "dataset" in tomllib.loads(block.code):
            assert TrainConfig.from_toml(own, method="closed-set", out=tmp_path / "run")
        else:
            assert read_protocol(own).title


# ── Command lines ───────────────────────────────────────────────────────────────────────────────────────────


def command_lines(page: Path) -> list[str]:
    """Indented lines that begin with ``oddscape``, with those that a backslash joins to them."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^ {4,}(oddscape (?:.*\\\n)*.*)$", text, re.MULTILINE)
    return [line.replace("\\\n", " ") for line in lines]


def mentions(page: Path) -> list[str]:
    """Code within sentences that begins with ``oddscape``; ``a | b`` stands for two commands."""
    spans = re.findall(r"`(oddscape [^`\n]+)`", page.read_text(encoding="utf-8"))
    found = []
    for first, *others in (re.split(r" \| ", span) for span in spans):
        found += [first, *(f"{first.rpartition(' ')[0]} {other}" for other in others)]
    return found


def parse(line: str) -> None:
    app.parse_args(shlex.split(line, comments=True)[1:], print_error=False, exit_on_error=False)


@pytest.mark.parametrize("page", pages_with(command_lines))
def test_every_command_line_parses(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for line in command_lines(page):
        parse(line)


@pytest.mark.parametrize("page", pages_with(mentions))
def test_every_command_in_a_sentence_exists(page):
    for line in mentions(page):
        try:
            parse(line)
        except MissingArgumentError:
            continue  # a sentence need not say all


def test_a_misspelled_option_is_found():
    with pytest.raises(Exception, match="Unknown option: --scale"):
        parse("oddscape predict pictures --scale 1,2 --out out")
    with pytest.raises(Exception, match='Unknown command "modles"'):
        parse("oddscape modles")


# ── Links and tables ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", pages_with(lambda _: True))
def test_every_relative_link_leads_to_a_file(page):
    code = r"^```.*\n(?:.*\n)*?```$|`[^`\n]+`"
    prose = re.sub(code, "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for link in re.findall(r"\]\(([^)#\s]+)", prose):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_page_of_scores_holds_what_the_command_prints(capsys):
    main(["scores", "--markdown"])
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
    held = page.partition("<!-- begin: oddscape scores --markdown -->\n")[2].partition("<!-- end -->")[0]
    assert held.strip() == printed.strip()


@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_networks_holds_each(name):
    known = ARCHITECTURES[name]
    assert f" | {known.title} | {known.paper} |" in row_of(name)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith(("densehybrid", "void"))])
def test_the_table_of_networks_holds_their_figures(name):
    found = model_figures(name, 19, (1024, 2048))
    millions, billions = found.parameters / 1e6, found.multiply_adds / 1e9
    assert f" | {millions:.2f} | {billions:,.1f} | {found.weight_bytes / 1e6:.1f} | " in row_of(name)


def row_of(name: str) -> str:
    lines = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8").splitlines()
    return next((line for line in lines if line.startswith(f"| `{name}` | ")), "")
