import { existsSync } from "node:fs";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { contentHash } from "@kd/disk-cache/node";
import { toFloat32, toHalf } from "@kd/safetensors";
import { readSafetensors, writeSafetensors } from "@kd/safetensors/node";
import { halfOf, halfTensor, type Tensor2D, tensor2d } from "@kd/tensor-core";

const NAME = "head";
const pathOf = (folder: string, identity: string): string =>
  join(folder, `head-${contentHash([identity]).slice(0, 16)}.safetensors`);

/** Keeps the head beside the rows, in 16 bits where it is: without it they are not logits. */
export async function writeHead(folder: string, identity: string, head: Tensor2D): Promise<void> {
  const path = pathOf(folder, identity);
  if (existsSync(path)) return;
  const half = halfOf(head);
  const shape = [...head.shape];
  const stored =
    half === undefined
      ? ({ dtype: "F32", shape, data: Float32Array.from(await head.data()) } as const)
      : ({
          dtype: half.format === "bf16" ? "BF16" : "F16",
          shape,
          data: new Uint8Array(half.words.buffer, half.words.byteOffset, half.words.byteLength),
        } as const);
  await writeSafetensors(path, [[NAME, stored]]);
}

/** @throws KdError `KD_DATA` where the folder has no rows of that teacher. */
export async function readHead(folder: string, identity: string): Promise<Tensor2D> {
  const path = pathOf(folder, identity);
  if (!existsSync(path))
    throw new KdError(
      "KD_DATA",
      `${folder}: no rows of teacher ${identity.slice(0, 12)}…; fill it with cacheTeacher, or open it with the teacher`,
    );
  const stored = (await readSafetensors(path)).tensors.get(NAME);
  const [V, D] = stored?.shape ?? [];
  if (stored === undefined || V === undefined || D === undefined || stored.shape.length !== 2)
    throw new KdError("KD_DATA", `${path}: expected a head [V, D], got none; remove it and fill again`);
  const { dtype } = stored;
  if (dtype !== "F16" && dtype !== "BF16") return tensor2d(toFloat32(stored), [V, D]) as Tensor2D;
  const format = dtype === "F16" ? "fp16" : "bf16";
  return halfTensor({ format, words: toHalf(stored, dtype), shape: [V, D] }) as Tensor2D;
}
