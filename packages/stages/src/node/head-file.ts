import { existsSync } from "node:fs";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { contentHash } from "@kd/disk-cache/node";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import { readSafetensors, writeSafetensors } from "@kd/safetensors/node";
import { halfOf, halfTensor, type Tensor2D, tensor2d } from "@kd/tensor-core";

const NAME = "head";
const pathOf = (folder: string, identity: string): string =>
  join(folder, `head-${contentHash([identity]).slice(0, 16)}.safetensors`);

/** Keeps the head beside the rows, in 16 bits where it is: without it they are not logits. A damaged one is written again. Throws `KD_IO`. */
export async function writeHead(folder: string, identity: string, head: Tensor2D): Promise<void> {
  const path = pathOf(folder, identity);
  if ((await stored(path)) !== undefined) return;
  const half = halfOf(head);
  const shape = [...head.shape];
  const tensor =
    half === undefined
      ? ({ dtype: "F32", shape, data: bytesOf(Float32Array.from(await head.data())) } as const)
      : ({ dtype: half.format === "bf16" ? "BF16" : "F16", shape, data: bytesOf(half.words) } as const);
  try {
    await writeSafetensors(path, [[NAME, tensor]], { sha256: contentHash([tensor.data]) });
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    throw new KdError("KD_IO", `${path}: expected to write it, got ${code}; free space, or choose another folder`, {
      cause,
    });
  }
}

/** The head of a teacher whose rows are in the folder, checked; undefined where there is none, or a damaged one. */
export async function readHead(folder: string, identity: string): Promise<Tensor2D | undefined> {
  const found = await stored(pathOf(folder, identity));
  const [V, D] = found?.shape ?? [];
  if (found === undefined || V === undefined || D === undefined) return undefined;
  const { dtype } = found;
  if (dtype !== "F16" && dtype !== "BF16") return tensor2d(toFloat32(found), [V, D]) as Tensor2D;
  const format = dtype === "F16" ? "fp16" : "bf16";
  return halfTensor({ format, words: toHalf(found, dtype), shape: [V, D] }) as Tensor2D;
}

/** A wrong bit in it would be in every logit. */
async function stored(path: string): Promise<StoredTensor | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    const { tensors, metadata } = await readSafetensors(path);
    const head = tensors.get(NAME);
    return head?.shape.length === 2 && contentHash([head.data]) === metadata.sha256 ? head : undefined;
  } catch (error) {
    if (KdError.is(error) && error.code === "KD_SAFETENSORS") return undefined;
    throw error;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
