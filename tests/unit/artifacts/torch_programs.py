"""A small exported net, and its digest as another process prints it."""

# mypy: ignore-errors
from __future__ import annotations

import sys
from pathlib import Path

import torch

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).eval()


def exported() -> torch.export.ExportedProgram:
    return torch.export.export(net(), (torch.zeros(2, 3),), dynamic_shapes=({0: torch.export.Dim("n")},))


if __name__ == "__main__":
    print(
        Artifacts(FolderStore(Path(sys.argv[1]), durable=False)).save(exported(), codec="torch-export").digest
    )
