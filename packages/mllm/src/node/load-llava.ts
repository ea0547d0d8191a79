import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { toFloat32 } from "@kd/safetensors";
import { readWeights } from "@kd/safetensors/node";
import { type Params, tensor } from "@kd/tensor-core";
import { parseLlavaConfig } from "../config.ts";
import { trainableParams } from "../init.ts";
import { createLlava, type Llava } from "../llava.ts";
import { llavaShapes, olderName } from "../names.ts";

/**
 * Loads a Hugging Face LLaVA folder (`config.json` and `model.safetensors`, one or sharded, names of any transformers version). Weights
 * are widened to float32.
 *
 * @param options.processor how its pixels are made; part of the tower's hash
 * @throws KdError `KD_CONFIG` or `KD_WEIGHTS` naming file and field or tensor.
 */
export async function loadLlava(
  folder: string,
  { processor = "" }: { readonly processor?: string } = {},
): Promise<Llava> {
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
    params.set(name, tensor(Float32Array.from(toFloat32(weight)), [...expected]));
  }
  const missing = [...shapes.keys()].find((name) => !params.has(name));
  if (missing !== undefined)
    throw new KdError("KD_WEIGHTS", `${folder}: tensor "${missing}" is missing; the weights file is incomplete`);
  return createLlava({ config, params: trainableParams(params), processor });
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
