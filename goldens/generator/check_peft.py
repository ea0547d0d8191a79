"""python check_peft.py cases.json: adapters and merged models that scripts/check-peft.mjs wrote, loaded by PEFT and transformers."""
import json
import sys
import warnings

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, LlavaForConditionalGeneration


def load(folder):
    llava = AutoConfig.from_pretrained(folder).model_type == "llava"
    cls = LlavaForConditionalGeneration if llava else AutoModelForCausalLM
    model, info = cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    left = {k: v for k, v in info.items() if v and not (k == "unexpected_keys" and all(".head." in n for n in v))}
    assert not left, (folder, left)
    return model.eval()


def main(path):
    warnings.simplefilter("error")  # PEFT warns of missing adapter keys
    with open(path) as file:
        data = json.load(file)
    ids = torch.tensor(data["inputIds"]).reshape(data["shape"])
    failed = False
    for case in data["cases"]:
        ours = torch.tensor(case["logits"]).reshape(*ids.shape, -1)
        base = load(case["base"])
        with torch.no_grad():
            plain = base(input_ids=ids).logits
            adapted = PeftModel.from_pretrained(base, case["adapter"]).eval()
            names = {n.split(".lora_A")[0] for n, _ in adapted.named_parameters() if ".lora_A" in n}
            assert names and not any("vision" in n or "projector" in n for n in names), names
            theirs = adapted(input_ids=ids).logits
            merged = load(case["merged"])(input_ids=ids).logits
        scale = theirs.abs().max()
        errors = [((x - ours).abs().max() / scale).item() for x in (theirs, merged, plain)]
        good = errors[0] < 1e-5 and errors[1] < 1e-5 and errors[2] > 1e-2
        failed |= not good
        print(f"{'ok' if good else 'FAILED'} {case['name']}: {len(names)} linears, beside {errors[0]:.1e}, merged {errors[1]:.1e},"
              f" without the adapter {errors[2]:.1e}")
    sys.exit(failed)


main(sys.argv[1])
