"""A Qwen2-style decoder in plain PyTorch, with the initial distributions of `@kd/slm`."""
import torch
import torch.nn.functional as F
from torch import nn

NAMED = {
    "a": dict(width=128, layers=4, vocabulary=2048, batch=16, tokens=80, heads=4, key_heads=2, mlp=352),
    "b": dict(width=256, layers=6, vocabulary=4096, batch=8, tokens=128, heads=4, key_heads=2, mlp=704),
    "c": dict(width=512, layers=8, vocabulary=8192, batch=4, tokens=256, heads=8, key_heads=2, mlp=1408),
}


def rotate(x, cos, sin):
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


class Layer(nn.Module):
    def __init__(self, width, heads, key_heads, mlp):
        super().__init__()
        self.head_width = width // heads
        self.input_norm = nn.RMSNorm(width, eps=1e-6)
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, key_heads * self.head_width)
        self.v = nn.Linear(width, key_heads * self.head_width)
        self.o = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.RMSNorm(width, eps=1e-6)
        self.gate = nn.Linear(width, mlp, bias=False)
        self.up = nn.Linear(width, mlp, bias=False)
        self.down = nn.Linear(mlp, width, bias=False)

    def forward(self, x, cos, sin):
        y = self.input_norm(x)
        q, k, v = (p(y).unflatten(-1, (-1, self.head_width)).transpose(1, 2) for p in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        y = self.mlp_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    """Hidden states after the last norm; the head is `embed.weight`."""

    def __init__(self, sizes):
        super().__init__()
        width, heads, tokens = sizes["width"], sizes["heads"], sizes["tokens"]
        self.embed = nn.Embedding(sizes["vocabulary"], width)
        self.layers = nn.ModuleList(
            Layer(width, heads, sizes["key_heads"], sizes["mlp"]) for _ in range(sizes["layers"])
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        half = width // heads // 2
        angles = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos())
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin())
        nn.init.normal_(self.embed.weight, std=0.05)
        for name, value in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(value)
            elif value.dim() == 2 and not name.startswith("embed"):
                residual = (2 * sizes["layers"]) ** -0.5 if name.endswith(("o.weight", "down.weight")) else 1
                nn.init.normal_(value, std=residual * value.shape[1] ** -0.5)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.norm(x)
