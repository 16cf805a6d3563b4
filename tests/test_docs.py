"""What README and docs show: Python that runs, command lines that parse, links that lead somewhere."""

import importlib
import pkgutil
import re
import runpy
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

import oddscape as odd
from oddscape.cli import app, main
from oddscape.model_figures import model_figures
from oddscape.models import MODELS, create_model
from oddscape.models.architectures import ARCHITECTURES
from oddscape.protocol_file import read_protocol
from oddscape.training.config import TrainConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PRINTED = ("losses", "protocols", "scores")
"""Pages that hold what a command of the same name prints."""


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


def car_park(path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("pictures", "masks", "classes"):
        (path / folder).mkdir(parents=True)
    for number in range(4):
        picture(path / "pictures" / f"north_{number}.jpg")
        # An anomaly of a quarter of the picture, and three classes.
        Image.fromarray(np.pad(np.ones((32, 48), np.uint8), ((32, 0), (0, 48)))).save(
            path / "masks" / f"north_{number}.png"
        )
        Image.fromarray(rng.integers(0, 4, (64, 96), np.uint8)).save(path / "classes" / f"north_{number}.png")


def drives(path: Path) -> None:
    path.mkdir()
    for number in range(3):
        picture(path / f"{number}.jpg")


FILES = {
    "street.jpg": picture,
    "car-park": car_park,
    "drives": drives,
    "erfnet_city20.pth": erfnet,
    "densenet121-a639ec97.pth": densenet,
    "folder-or-hub-id": segformer,
}
"""What makes each file or folder of the user's that pages speak of, as small as it can be."""


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


@pytest.fixture
def _own_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page adds to the data sets goes with its test."""
    own = odd.data.DATASETS.copy()
    for module in (odd, odd.data):
        monkeypatch.setattr(module, "DATASETS", own)


@pytest.mark.parametrize("page", pages_with(lambda page: blocks(page, "python")))
@pytest.mark.usefixtures("streethazards_folder", "_own_datasets")
def test_every_block_of_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    text, names = page.read_text(encoding="utf-8"), users_names()
    for name, make in FILES.items():
        if name in text:
            make(tmp_path / name)
    for block in blocks(page, "toml"):
        if file := re.match(r"# ([\w-]+\.toml)\n", block.code):
            Path(file[1]).write_text(block.code)
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


# ── README's first screen ───────────────────────────────────────────────────────────────────────────────────


def test_the_first_three_commands_of_the_readme_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    install, *others = re.findall(r"^    (\S.*)$", first_screen(), re.MULTILINE)
    assert install == "pip install ."
    assert len(others) == 2
    for line in others:
        main(shlex.split(line, comments=True)[1:])
    assert len(list(tmp_path.glob("predictions/**/*overlay*"))) == 2


@pytest.mark.parametrize("file", ["found.jpg", "missed.jpg"])
def test_a_picture_is_what_its_script_makes(file):
    folder = ROOT / "docs" / "pictures"
    script = runpy.run_path(str(folder / "make.py"))
    made, kept = script["panels"](*script["SCENES"][file]), Image.open(folder / file)
    assert made.size == kept.size
    # What JPEG loses is little, and hardly anything in the large.
    apart = np.abs(np.asarray(made.resize((64, 36)), int) - np.asarray(kept.resize((64, 36)), int))
    assert apart.mean() < 1.5


def test_the_pictures_are_light():
    sizes = [path.stat().st_size for path in (ROOT / "docs" / "pictures").glob("*.jpg")]
    assert max(sizes) < 200e3
    assert sum(sizes) < 600e3


def first_screen() -> str:
    """README down to its first heading."""
    return (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]


# ── Links and tables ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", pages_with(lambda _: True))
def test_every_relative_link_leads_to_a_file(page):
    code = r"^```.*\n(?:.*\n)*?```$|`[^`\n]+`"
    prose = re.sub(code, "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    links = re.findall(r'\]\(([^)#\s]+)|(?:src|href)="([^"#]+)"', prose)
    for link in (either or other for either, other in links):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("name", PRINTED)
def test_a_page_holds_what_its_command_prints(name, capsys):
    main([name, "--markdown"])
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    begin = f"<!-- begin: oddscape {name} --markdown -->\n"
    held = page.partition(begin)[2].partition("<!-- end -->")[0]
    assert held.strip() == printed.strip()


@pytest.mark.parametrize("module", ["oddscape", "oddscape.data", "oddscape.metrics"])
def test_every_public_name_is_described_on_a_page(module):
    pages = (page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    described = [
        pkgutil.resolve_name(path) for page in pages for path in re.findall(r"^::: (\S+)", page, re.M)
    ]
    public = importlib.import_module(module)
    missing = [
        name
        for name in set(public.__all__) - {"__version__", "data", "metrics"}
        if not any(getattr(public, name) is one for one in described)
    ]
    assert missing == []


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
