"""Loads what check-transformers.mjs saved with Hugging Face transformers and compares logits; one JSON line a folder."""

import json
import sys
from pathlib import Path

import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

for folder in map(Path, sys.argv[1:]):
    expected = load_file(folder / "expected" / "logits.safetensors")
    model, info = LlavaForConditionalGeneration.from_pretrained(
        folder, torch_dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    with torch.no_grad():
        logits = model.eval()(
            input_ids=expected["input_ids"].long(),
            attention_mask=torch.ones_like(expected["input_ids"]).long(),
            pixel_values=expected["pixel_values"].permute(0, 3, 1, 2),
        ).logits
    worst = (logits - expected["logits"]).abs().max() / logits.abs().max()
    card = ModelCard.load(folder / "README.md").data.to_dict()
    keys = {name: sorted(info[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    print(json.dumps({"folder": folder.name, "relative_error": worst.item(), "card": sorted(card), **keys}), flush=True)
