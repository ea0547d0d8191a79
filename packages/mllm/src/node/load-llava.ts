import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import { readWeights } from "@kd/safetensors/node";
import { type HalfFormat, halfTensor, type Params, type Tensor, tensor } from "@kd/tensor-core";
import { parseLlavaConfig } from "../config.ts";
import { trainableParams } from "../init.ts";
import { createLlava, type Llava } from "../llava.ts";
import { llavaShapes, olderName } from "../names.ts";

const KEEPS: readonly string[] = ["float32", "bf16", "fp16"];

/** Options of {@link loadLlava}. */
export interface LoadLlava {
  /** How its pixels are made; part of the tower's hash. @defaultValue "" */
  readonly processor?: string;
  /**
   * Keeps every weight in 16 bits outside the engine's memory and widens it while a layer runs: half the memory, for a model that is not
   * trained. Weights of another type are rounded. @defaultValue "float32"
   */
  readonly keep?: "float32" | HalfFormat;
}

/**
 * Loads a Hugging Face LLaVA folder (`config.json` and `model.safetensors`, one or sharded, names of any transformers version).
 *
 * @throws KdError `KD_CONFIG` or `KD_WEIGHTS` naming file and field or tensor.
 */
export async function loadLlava(folder: string, { processor = "", keep = "float32" }: LoadLlava = {}): Promise<Llava> {
  if (!KEEPS.includes(keep))
    throw new KdError("KD_CONFIG", `loadLlava: keep must be one of ${KEEPS.join(", ")}, got "${keep}"`);
  const file = join(folder, "config.json");
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new KdError("KD_CONFIG", `${file}: expected a LLaVA config.json, could not read it; check the folder`, {
      cause: error,
    });
  });
  const config = parseLlavaConfig(parseJson(text, file), file);
  const shapes = llavaShapes(config);
  const params: Params = new Map();
  for (const [stored, weight] of await readWeights(folder)) {
    const name = olderName(stored);
    const expected = shapes.get(name);
    if (expected === undefined && !ignored(name))
      throw new KdError(
        "KD_WEIGHTS",
        `${folder}: tensor "${stored}" belongs to no part of this configuration; check config.json`,
      );
    if (expected === undefined) continue;
    if (expected.join() !== weight.shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `${folder}: "${stored}" must be [${expected.join(", ")}], got [${weight.shape.join(", ")}]; check config.json`,
      );
    params.set(name, keptAs(weight, keep));
  }
  const missing = [...shapes.keys()].find((name) => !params.has(name));
  if (missing !== undefined)
    throw new KdError("KD_WEIGHTS", `${folder}: tensor "${missing}" is missing; the weights file is incomplete`);
  return createLlava({ config, params: trainableParams(params), processor });
}

function keptAs(weight: StoredTensor, keep: "float32" | HalfFormat): Tensor {
  if (keep === "float32") return tensor(Float32Array.from(toFloat32(weight)), [...weight.shape]);
  return halfTensor({ format: keep, words: toHalf(weight, keep === "bf16" ? "BF16" : "F16"), shape: weight.shape });
}

/** What the model doesn't read: SigLIP's pooling head, a tied head stored again, buffers of positions. */
function ignored(name: string): boolean {
  return (
    name.startsWith("vision_tower.vision_model.head.") ||
    name.endsWith("lm_head.weight") ||
    name.endsWith("position_ids")
  );
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KdError("KD_CONFIG", `${file}: expected JSON, ${(error as Error).message}; correct the file`, {
      cause: error,
    });
  }
}
