import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors, type StoredTensor, toFloat32 } from "@kd/safetensors";
import type { Tensor } from "@kd/tensor-core";
import { valuesOf } from "../../tensor-core/test/engines.ts";

export const root: string = join(
  process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"),
  "models",
);

export const read = (name: string): Map<string, StoredTensor> =>
  parseSafetensors(readFileSync(join(root, name)), name).tensors;

/** Largest difference on real positions, relative to the largest expected value. */
export async function relativeError(got: Tensor, expected: StoredTensor, mask: Int32Array): Promise<number> {
  const [data, want] = [await valuesOf(got), toFloat32(expected)];
  const width = want.length / mask.length;
  let [worst, largest] = [0, 0];
  for (const [i, x] of want.entries()) {
    if (mask[Math.floor(i / width)] === 0) continue;
    worst = Math.max(worst, Math.abs((data[i] as number) - x));
    largest = Math.max(largest, Math.abs(x));
  }
  return worst / largest;
}
