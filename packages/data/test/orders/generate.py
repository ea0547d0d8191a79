"""Orders of the samplers from PyTorch's generator, for orders.test.ts: python generate.py > orders.json (needs torch, transformers).

The rules are written anew from their description: words per record, negative for text only; permutation, mega-batches of world x batch, each sorted by
length descending and dealt to the ranks; mega-batches of both modalities shuffled together. The two incomplete ones are merged: LLaVA sorts them and
puts them at the end; TinyLLaVA puts a whole mega-batch of them at the front and what is left at the end.
"""

import hashlib
import json
import random

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices


def deal(indices, lengths, ranks):
    if len(indices) % ranks:
        return [indices[rank::ranks] for rank in range(ranks)]
    room = len(indices) // ranks
    parts, words = [[] for _ in range(ranks)], [0.0] * ranks
    for index in indices:
        shortest = words.index(min(words))
        parts[shortest].append(index)
        words[shortest] += lengths[index]
        if len(parts[shortest]) == room:
            words[shortest] = float("inf")
    return parts


def mega(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def by_length(lengths, batch, world):
    order = []
    for group in mega(torch.randperm(len(lengths)).tolist(), world * batch):
        group = sorted(group, key=lambda i: lengths[i], reverse=True)
        for part in deal(group, lengths, world):
            order += part
    return order


def by_modality(lengths, batch, world, rule="tinyllava"):
    pictures = [i for i, n in enumerate(lengths) if n > 0]
    texts = [i for i, n in enumerate(lengths) if n < 0]
    if not pictures or not texts:  # the guard: lengths without their sign
        return by_length([abs(n) for n in lengths], batch, world)
    mm = [pictures[i] for i in by_length([lengths[i] for i in pictures], batch, world)]
    text = [texts[i] for i in by_length([-lengths[i] for i in texts], batch, world)]
    mm, text = mega(mm, world * batch), mega(text, world * batch)
    last, groups = mm[-1] + text[-1], mm[:-1] + text[:-1]
    groups = [groups[i] for i in torch.randperm(len(groups)).tolist()]
    if rule == "llava":
        groups.append(sorted(last))
    elif len(last) >= world * batch:
        groups = [last[: world * batch], *groups, last[world * batch :]]
    else:
        groups.append(last)
    return [i for group in groups for i in group]


def buckets(lengths, batch):
    lengths = [abs(n) for n in lengths]
    mult = min(len(lengths) // (batch * 4), 50) or 1
    groups = mega(torch.randperm(len(lengths)).tolist(), mult * batch)
    groups = [sorted(group, key=lambda i: lengths[i], reverse=True) for group in groups]
    longest = torch.argmax(torch.tensor([lengths[group[0]] for group in groups])).item()
    groups[0][0], groups[longest][0] = groups[longest][0], groups[0][0]
    order = [i for group in groups for i in group]
    torch.manual_seed(torch.initial_seed())
    assert order == get_length_grouped_indices(lengths, batch)  # transformers' own
    return [i for group in groups for i in group]


def lengths_of(count, kind, seed):
    draw = random.Random(seed)
    sign = {"mixed": lambda: 1 if draw.random() < 0.9 else -1, "pictures": lambda: 1, "texts": lambda: -1}[kind]
    return [draw.randint(1, 40) * sign() for _ in range(count)]


def digest(order):
    return hashlib.sha256(",".join(map(str, order)).encode()).hexdigest()


cases, permutations = [], []
for count in (0, 1, 2, 10, 623, 625, 100_000):
    for seed in (0, 42, 2**32 - 1):
        torch.manual_seed(seed)
        order = torch.randperm(count).tolist()
        permutations.append({"count": count, "seed": seed, "first": order[:8], "sha256": digest(order)})
for count, kind, seed, batch, world in [
    (97, "mixed", 0, 4, 1),
    (97, "mixed", 42, 4, 2),
    (256, "mixed", 1, 4, 4),
    (301, "mixed", 7, 16, 3),
    (40, "mixed", 3, 32, 2),
    (9, "mixed", 5, 2, 1),
    (64, "pictures", 42, 4, 2),
    (63, "pictures", 9, 4, 2),
    (50, "texts", 11, 4, 2),
]:
    lengths = lengths_of(count, kind, seed + count)
    torch.manual_seed(seed)
    modality = by_modality(lengths, batch, world)
    torch.manual_seed(seed)
    llava = by_modality(lengths, batch, world, "llava")
    torch.manual_seed(seed)
    length = buckets(lengths, batch)
    case = {"kind": kind, "seed": seed, "batchSize": batch, "worldSize": world, "lengths": lengths}
    cases.append({**case, "modality-length": modality, "modality-length-llava": llava, "length": length})
big = lengths_of(20_000, "mixed", 99)
torch.manual_seed(42)
large = {"seed": 42, "batchSize": 16, "worldSize": 8, "modality-length": digest(by_modality(big, 16, 8))}
torch.manual_seed(42)
large["length"] = digest(buckets(big, 16))
large["lengths"] = big
print(json.dumps({"torch": torch.__version__, "permutations": permutations, "cases": cases, "large": large}))
