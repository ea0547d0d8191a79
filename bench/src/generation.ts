import { generateTokens, initSlm, parseSlmConfig } from "@kd/slm";
import { createRng } from "@kd/tensor-core";
import type { Job } from "./job.ts";

// SmolLM2-135M's config.json
const CONFIG = parseSlmConfig({
  model_type: "llama",
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  tie_word_embeddings: true,
});

/** Greedy decoding with a key-value cache from random weights; a sample is the milliseconds of a new token, the prompt's pass shared among them. */
export function generation({ prompt, newTokens }: { readonly prompt: number; readonly newTokens: number }): Job {
  const rng = createRng(1);
  const params = initSlm(CONFIG, rng.fork("weights"));
  const inputIds = Int32Array.from({ length: prompt }, () => rng.int(CONFIG.vocab_size));
  const run = async () => {
    const [ids] = await generateTokens({ config: CONFIG, params, prompts: [inputIds], maxNewTokens: newTokens });
    if (ids?.length !== newTokens) throw new Error(`generation: expected ${newTokens} new tokens, got ${ids?.length}`);
    return 0;
  };
  const config = `prompt ${prompt}, ${newTokens} new`;
  return { what: "generate smollm2-135m", run, per: newTokens, facts: { config } };
}
