"""One training step of the decoder with AdamW: `python step.py --config a --mode eager|compile`; see ../README.md."""
import torch
import torch.nn.functional as F
from torch import nn

from decoder import NAMED, Decoder
from measure import answer, memory_mib, options
from stage import VisionLanguage, stage_loss

arguments = options(
    ("config", "a"), ("mode", "eager"), ("frozen-slm", False), ("dpt", False), ("no-clip", False)
)
idle = memory_mib("VmRSS")
sizes = NAMED[arguments.config]
batch, tokens, vocabulary = sizes["batch"], sizes["tokens"], sizes["vocabulary"]
variant = "dpt" if arguments.dpt else "frozen-slm" if arguments.frozen_slm else "full"

if variant == "full":
    model = Decoder(sizes)
    ids = torch.randint(vocabulary, (batch, tokens))
    labels = torch.randint(vocabulary, (batch * tokens,))

    def loss_of():
        hidden = model(model.embed(ids)).flatten(0, 1)
        return F.cross_entropy(F.linear(hidden, model.embed.weight), labels)

else:
    model = VisionLanguage(sizes)
    model.decoder.requires_grad_(False)
    teacher = VisionLanguage(sizes).requires_grad_(False) if variant == "dpt" else None
    loss_of = stage_loss(model, teacher, sizes)

trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0, fused=True)
forward = torch.compile(loss_of) if arguments.mode == "compile" else loss_of


def step():
    optimizer.zero_grad()
    loss = forward()
    loss.backward()
    if not arguments.no_clip:
        nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    return loss.item()


description = {
    "what": f"step {arguments.config}" + ("" if variant == "full" else f" {variant}"),
    "config": arguments.config,
    "variant": variant,
    "contender": f"pytorch {arguments.mode}",
    "idle_mib": idle,
    "tokens": batch * tokens,
}
answer(arguments, description, step)
