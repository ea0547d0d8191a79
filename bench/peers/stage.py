"""Projector-only training, the first half of each sample made of visual tokens: alone, or taught (LLaVA-KD's DPT)."""
import torch
import torch.nn.functional as F
from torch import nn

from decoder import Decoder

FEATURE_WIDTH = 64


class VisionLanguage(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        width = sizes["width"]
        self.decoder = Decoder(sizes)
        self.projector = nn.Sequential(nn.Linear(FEATURE_WIDTH, width), nn.GELU(), nn.Linear(width, width))
        for layer, scale in ((self.projector[0], 1), (self.projector[2], 0.1)):
            nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, features, ids):
        return self.decoder(torch.cat([self.projector(features), self.decoder.embed(ids)], 1))


def stage_loss(model, teacher, sizes):
    batch, tokens, vocabulary = sizes["batch"], sizes["tokens"], sizes["vocabulary"]
    visual = tokens // 2
    features = torch.randn(batch, visual, FEATURE_WIDTH)
    ids = torch.randint(vocabulary, (batch, tokens - visual))
    head = model.decoder.embed.weight

    def cross_entropy(logits):
        return F.cross_entropy(logits.flatten(0, 1), ids.flatten())

    def plain():
        return cross_entropy(F.linear(model(features, ids)[:, visual - 1 : -1], head))

    def divergence(logits, taught):
        log_q, log_p = F.log_softmax(logits, -1).flatten(0, 1), F.log_softmax(taught, -1).flatten(0, 1)
        return F.kl_div(log_q, log_p, log_target=True, reduction="batchmean")

    def distilled():
        with torch.no_grad():
            taught = F.linear(teacher(features, ids), teacher.decoder.embed.weight)
        logits = F.linear(model(features, ids), head)
        response, response_taught = logits[:, visual - 1 : -1], taught[:, visual - 1 : -1]
        seen, seen_taught = logits[:, :visual], taught[:, :visual]
        grams = [(z @ z.transpose(1, 2)).flatten(1) for z in (seen, seen_taught)]
        relation = 1 - F.cosine_similarity(*grams).mean()
        loss = cross_entropy(response) + divergence(response, response_taught)
        return loss + divergence(seen, seen_taught) + 0.5 * relation

    return plain if teacher is None else distilled
