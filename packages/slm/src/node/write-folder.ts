import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { writeSafetensors, writeWeights } from "@kd/safetensors/node";
import type { Tensor } from "@kd/tensor-core";

/** A folder of Hugging Face's: weights under their names, and JSON files. */
interface Folder {
  readonly weights: { readonly file: string; readonly tensors: Iterable<readonly [name: string, value: Tensor]> };
  readonly dtype: "F32" | "F16" | "BF16";
  readonly json: Readonly<Record<string, object>>;
}

/**
 * Writes it aside, a tensor at a time, and renames it, so that it is there whole or not at all.
 *
 * @throws KdError `KD_CONFIG` when the folder exists.
 */
export async function writeFolder(folder: string, { weights, dtype, json }: Folder): Promise<void> {
  if ((await stat(folder).catch(() => undefined)) !== undefined)
    throw new KdError("KD_CONFIG", `${folder}: expected a new folder, this one exists; remove it or choose another`);
  const aside = `${folder}.partial`;
  await rm(aside, { recursive: true, force: true });
  try {
    await mkdir(aside, { recursive: true });
    const tensors = [...weights.tensors].map(
      ([name, value]) =>
        [name, { dtype, shape: value.shape, data: async () => (await value.data()) as Float32Array }] as const,
    );
    if (weights.file === "model.safetensors") await writeWeights(aside, tensors);
    else await writeSafetensors(join(aside, weights.file), tensors, { format: "pt" });
    for (const [name, value] of Object.entries(json))
      await writeFile(join(aside, name), `${JSON.stringify(value, null, 2)}\n`);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}
