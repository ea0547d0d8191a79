import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import { readWeights } from "@kd/safetensors/node";
import { type HalfFormat, halfTensor, type Params, type Tensor, tensor } from "@kd/tensor-core";
import { parseSlmConfig } from "../config.ts";
import type { Slm } from "../lora/adapter.ts";
import { slmShapes } from "../names.ts";
import { readJson } from "./read-json.ts";

/** Options of {@link loadSlm}. */
export interface LoadSlm {
  /** Put before every name: `"language_model."` for the language model of a LLaVA. @defaultValue `""` */
  readonly prefix?: string;
  /** Keeps every weight in 16 bits, for a model that is not trained. @defaultValue "float32" */
  readonly keep?: "float32" | HalfFormat;
}

/**
 * Loads a Hugging Face folder of a Qwen2 or Llama language model. Its parameters are plain tensors, the caller's to dispose.
 *
 * @throws KdError `KD_CONFIG` or `KD_WEIGHTS` naming file and field or tensor.
 */
export async function loadSlm(folder: string, { prefix = "", keep = "float32" }: LoadSlm = {}): Promise<Required<Slm>> {
  const file = join(folder, "config.json");
  const config = parseSlmConfig(await readJson(file), file);
  const shapes = slmShapes(config, prefix);
  const fail = (text: string): never => {
    throw new KdError("KD_WEIGHTS", `${folder}: ${text}; check config.json`);
  };
  const params: Params = new Map();
  for (const [stored, weight] of await readWeights(folder)) {
    const expected = shapes.get(prefix + stored);
    if (expected === undefined) {
      if (!ignored(stored)) fail(`tensor "${stored}" belongs to no part of this configuration`);
    } else if (expected.join() !== weight.shape.join())
      fail(`"${stored}" must be [${expected.join(", ")}], got [${weight.shape.join(", ")}]`);
    else params.set(prefix + stored, kept(weight, keep));
  }
  const missing = [...shapes.keys()].find((name) => !params.has(name));
  if (missing !== undefined) fail(`tensor "${missing.slice(prefix.length)}" is missing`);
  return { config, params, prefix };
}

/** A tied head stored again, and tables that old versions saved. */
const ignored = (name: string): boolean => name === "lm_head.weight" || name.endsWith("rotary_emb.inv_freq");

function kept(weight: StoredTensor, keep: "float32" | HalfFormat): Tensor {
  if (keep === "float32") return tensor(Float32Array.from(toFloat32(weight)), [...weight.shape]);
  return halfTensor({ format: keep, words: toHalf(weight, keep === "bf16" ? "BF16" : "F16"), shape: weight.shape });
}
