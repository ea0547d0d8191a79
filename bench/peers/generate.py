"""Greedy decoding with a key-value cache at SmolLM2-135M's sizes, random weights, by transformers; ms a new token."""
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from measure import answer, memory_mib, options

arguments = options(("prompt", 16), ("tokens", 32))
idle = memory_mib("VmRSS")
config = LlamaConfig(
    vocab_size=49152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    rms_norm_eps=1e-5,
    rope_theta=100000.0,
    tie_word_embeddings=True,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
model = LlamaForCausalLM(config).eval()
prompt = torch.randint(config.vocab_size, (1, arguments.prompt))
mask = torch.ones_like(prompt)


@torch.inference_mode()
def step():
    new = arguments.tokens
    out = model.generate(prompt, attention_mask=mask, do_sample=False, min_new_tokens=new, max_new_tokens=new)
    assert out.shape[1] == arguments.prompt + new
    return 0.0


description = {
    "what": "generate smollm2-135m",
    "config": f"prompt {arguments.prompt}, {arguments.tokens} new",
    "contender": "transformers",
    "versions": f"pytorch {torch.__version__}; transformers {transformers.__version__}",
    "idle_mib": idle,
}
answer(arguments, description, step, per=arguments.tokens)
