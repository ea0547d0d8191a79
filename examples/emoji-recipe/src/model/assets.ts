import { fileURLToPath } from "node:url";
import { createLlava, initLlava, type Llava } from "@kd/mllm";
import { toFloat32 } from "@kd/safetensors";
import { readSafetensors } from "@kd/safetensors/node";
import { createRng, type Params, tensor } from "@kd/tensor-core";
import { llavaConfig, type Size } from "./configs.ts";
import type { Text } from "./text.ts";

/** Where the trained weights that come with the recipe lie. */
export const assetPath = (name: string): string =>
  fileURLToPath(new URL(`../../assets/${name}.safetensors`, import.meta.url));

/** How pixels are made; part of the tower's hash. */
const PROCESSOR = "48x48 RGB on white, [-1, 1]";

/** Weights of a file, in float32. */
async function readParams(path: string): Promise<Params> {
  const { tensors } = await readSafetensors(path);
  return new Map(
    [...tensors].map(([name, stored]) => [name, tensor(Float32Array.from(toFloat32(stored)), [...stored.shape])]),
  );
}

/** A model made of the tower and further weights by name (`base-student`, `teacher`, …); what no file holds is new, by seed. */
export async function assembleModel(
  size: Size,
  text: Text,
  { files, seed }: { files: readonly string[]; seed: number },
): Promise<Llava> {
  const from: Params = new Map();
  for (const file of files) for (const [name, value] of await readParams(file)) from.set(name, value);
  const config = llavaConfig(size, text.vocabularySize);
  const params = initLlava(config, createRng(seed), { from });
  for (const value of from.values()) value.dispose();
  return createLlava({ config, params, processor: PROCESSOR });
}
