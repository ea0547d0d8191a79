"""A tiny LLaVA-NeXT: pictures in tiles, unpadded and packed, with image_newline after each row."""
import os

import torch
from PIL import Image
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextImageProcessor

from common import Sizes, ensure, write_tensors, write_text
from gen_models import IGN, greedy, right_pad
from tiny import *

SIZES = {"wide.png": (31, 90), "tall.png": (83, 40), "square.png": (57, 60)}  # height, width


def generate(root, seed):
    s, gen, out = Sizes(seed), torch.Generator().manual_seed(seed * 7919 + 77), ensure(os.path.join(root, "tiles"))
    S = s.image
    vision, text = clip_config(s), llama_config(s)
    config = LlavaNextConfig(text_config=text, vision_config=vision, image_token_index=s.image_token, vision_feature_layer=-2,
                             vision_feature_select_strategy="default", tie_word_embeddings=False,
                             image_grid_pinpoints=[[S, 2 * S], [2 * S, S], [2 * S, 2 * S], [3 * S, S], [S, 3 * S]])
    model = build(LlavaNextForConditionalGeneration, config, gen)
    folder = os.path.join(out, "llava_next")
    save_hf(model, folder)
    processor = LlavaNextImageProcessor(size={"shortest_edge": S}, crop_size={"height": S, "width": S},
                                        image_grid_pinpoints=config.image_grid_pinpoints)
    processor.save_pretrained(folder)
    pictures = []
    for name, (h, w) in SIZES.items():
        small = torch.randint(0, 256, (5, 7, 3), generator=gen, dtype=torch.uint8).numpy()
        picture = Image.fromarray(small).resize((w, h), Image.BICUBIC)
        picture.save(os.path.join(out, name))
        pictures.append(picture)
    made = [processor(p, return_tensors="pt") for p in pictures]
    tiles = [m["pixel_values"][0] for m in made]
    sizes = torch.cat([m["image_sizes"] for m in made])
    padded = torch.zeros(len(tiles), max(len(t) for t in tiles), 3, S, S)
    for i, t in enumerate(tiles):
        padded[i, :len(t)] = t
    with torch.no_grad():
        features = model.get_image_features(padded, sizes)
    counts = [len(f) for f in features]
    words = lambda n: torch.randint(3, s.image_token, (n,), generator=gen)
    image = lambda i: torch.full((counts[i],), s.image_token)
    rows, labels, spans = [], [], []
    for b, parts in enumerate([[words(3), 0, words(2)], [words(1), 1, words(2), 2, words(3)]]):
        row, at = [], 0
        for part in parts:
            if isinstance(part, int):
                spans.append([b, at, counts[part]])
                part = image(part)
            row.append(part)
            at += len(part)
        answer = torch.cat([words(4), torch.tensor([s.eos])])
        rows.append(torch.cat(row + [answer]))
        labels.append(torch.cat([torch.full((at,), IGN), answer]))
    x, y = right_pad(rows, s.pad), right_pad(labels, IGN)
    mask = right_pad([torch.ones(len(r), dtype=torch.long) for r in rows], 0)
    o = model(input_ids=x, attention_mask=mask, pixel_values=padded, image_sizes=sizes, labels=y)
    o.loss.backward()
    t = {"logits": o.logits, "loss": o.loss.reshape(1)}
    for name, p in model.named_parameters():
        if "multi_modal_projector" in name or name.endswith("image_newline"):
            t["grad." + name] = p.grad.clone()
    for _ in range(60):
        prompt = torch.cat([words(3), image(0), words(4)])
        g, margins = greedy(model, prompt, pixel_values=padded[:1], image_sizes=sizes[:1])
        if min(margins) > 5e-3 and s.image_token not in g.tolist():
            break
    else:
        raise RuntimeError("no prompt with clear greedy margins")
    write_tensors(os.path.join(out, "expected.safetensors"), {
        "input_ids": x, "attention_mask": mask, "labels": y, "pixel_values": torch.cat(tiles), "image_sizes": sizes,
        "tile_counts": torch.tensor([len(t) for t in tiles]), "image_spans": torch.tensor(spans), **t,
        "generate_prompt_ids": prompt, "generated": g, "margin": torch.tensor(margins)})
    write_text(os.path.join(out, "README.md"), README)


README = """# tiles/
`llava_next`: LlavaNextForConditionalGeneration, CLIP + Llama (untied), with the preprocessor_config.json of LlavaNextImageProcessor (anyres, five
grids); three PNGs that it reads. expected.safetensors (F32/I32, float32, eval): input_ids [2,L] with as many image ids as each picture's packed
features, attention_mask, labels; pixel_values [sum of tile_counts,3,S,S], a picture's whole view first, then its tiles; image_sizes [3,2] =
height, width; image_spans [3,3] = sample,start,length; logits, loss [1]; grad.PARAMETER of projector and image_newline;
generate_prompt_ids (first picture), generated [12], margin [12]. Compare only where attention_mask is 1, to 1e-5 relative to the largest |value|.
"""
