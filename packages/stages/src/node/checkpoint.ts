import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, type WritableTensor } from "@kd/safetensors";
import { readSafetensors, writeSafetensors } from "@kd/safetensors/node";
import { type Params, type Tensor, tensor, Variable } from "@kd/tensor-core";
import type { OptimizerState } from "../optimizer-state.ts";

const FILE = "checkpoint.safetensors";

/** What a run needs to go on. */
export interface Checkpoint {
  /** Holds at least the trained parameters; only those are written. */
  readonly params: Params;
  /** As `train` left it after its last step. */
  readonly state: OptimizerState;
  /** Anything plain: random state, data cursor, configuration, backend. Kept as JSON. @defaultValue null */
  readonly extra?: unknown;
}

/**
 * Writes trained parameters, moments, step and `extra` as `checkpoint.safetensors`, one file, so that a crash leaves the old checkpoint or
 * the new one. The folder is made.
 *
 * @throws KdError `KD_WEIGHTS` when `params` lacks a trained parameter.
 */
export async function saveCheckpoint(folder: string, { params, state, extra = null }: Checkpoint): Promise<void> {
  const tensors: [string, WritableTensor][] = [];
  for (const [i, name] of state.names.entries())
    for (const [kind, held] of [
      ["param", params.get(name)],
      ["m", state.m[i]],
      ["v", state.v[i]],
    ] as const) {
      if (held === undefined)
        throw new KdError("KD_WEIGHTS", `saveCheckpoint: "${name}" has no ${kind}; save the params that were trained`);
      // A copy: the data may live on a heap that moves while the next tensors are read.
      tensors.push([
        `${kind}.${name}`,
        { dtype: "F32", shape: held.shape, data: Float32Array.from(await held.data()) },
      ]);
    }
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, FILE), tensors, {
    kd: JSON.stringify({ names: state.names, step: state.step, extra }),
  });
}

/**
 * Puts the saved values into `params` and gives back the state for `train` (its tensors are the caller's to dispose) and `extra`.
 *
 * @throws KdError `KD_WEIGHTS` where the file and `params` do not fit, `KD_SAFETENSORS` for a file that is none; `params` is then unchanged.
 */
export async function loadCheckpoint(
  folder: string,
  params: Params,
): Promise<{ state: OptimizerState; extra: unknown }> {
  const path = join(folder, FILE);
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.kd === undefined)
    throw new KdError("KD_WEIGHTS", `${path}: expected a checkpoint, got no "kd" metadata`);
  const { names, step, extra } = parseHead(metadata.kd, path);
  const targets = names.map((name) => {
    const param = params.get(name);
    const stored = (["param", "m", "v"] as const).map((kind) => tensors.get(`${kind}.${name}`));
    if (!(param instanceof Variable) || stored.some((t) => t?.shape.join() !== param.shape.join()))
      throw new KdError("KD_WEIGHTS", `${path}: "${name}" does not fit the model; load the checkpoint's own model`);
    return { param, stored: stored as StoredTensor[] };
  });
  const [m, v]: [Tensor[], Tensor[]] = [[], []];
  for (const { param, stored } of targets) {
    const [value, first, second] = stored.map((t) => tensor(toFloat32(t), [...t.shape])) as [Tensor, Tensor, Tensor];
    param.assign(value);
    value.dispose();
    m.push(first);
    v.push(second);
  }
  return { state: { names, m, v, step }, extra };
}

function parseHead(text: string, path: string): { names: string[]; step: number; extra: unknown } {
  try {
    const { names, step, extra } = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === "string") && Number.isInteger(step) && step >= 0)
      return { names, step, extra };
  } catch {} // the same error below
  throw new KdError(
    "KD_WEIGHTS",
    `${path}: "kd" metadata must be names and a step, got ${text.slice(0, 80)}; save it anew`,
  );
}
