"""Cross-entropy and forward KL with gradients of hidden and head, in PyTorch's natural, unchunked code."""
import torch
import torch.nn.functional as F

from measure import answer, forget_peak, memory_mib, options

arguments = options(("vocab", 32000), ("rows", 256))
idle = memory_mib("VmRSS")
STUDENT_WIDTH, TEACHER_WIDTH = 896, 2048


def terms_of(rows, vocabulary):
    hidden = torch.randn(rows, STUDENT_WIDTH).requires_grad_()
    head = (torch.randn(vocabulary, STUDENT_WIDTH) * 0.05).requires_grad_()
    teacher_hidden = torch.randn(rows, TEACHER_WIDTH)
    teacher_head = torch.randn(vocabulary, TEACHER_WIDTH) * 0.05
    labels = torch.randint(vocabulary, (rows,))

    def step():
        hidden.grad = head.grad = None
        with torch.no_grad():
            log_p = F.log_softmax(teacher_hidden @ teacher_head.T, -1)
        logits = hidden @ head.T
        kl = F.kl_div(F.log_softmax(logits, -1), log_p, log_target=True, reduction="batchmean")
        loss = F.cross_entropy(logits, labels) + kl
        loss.backward()
        return loss.item()

    return step, (hidden.numel() + head.numel()) * 4


warm, _ = terms_of(8, 64)  # code that loads on first use is not memory of the terms
warm()
step, gradient_bytes = terms_of(arguments.rows, arguments.vocab)
forget_peak()
before = memory_mib("VmRSS")
step()
description = {
    "what": f"kd {arguments.rows}x{arguments.vocab}",
    "config": f"{arguments.rows}x{arguments.vocab}",
    "contender": "pytorch eager",
    "idle_mib": idle,
    "extra_mib": round(memory_mib("VmHWM") - before - gradient_bytes / 2**20, 1),
}
answer(arguments, description, step)
