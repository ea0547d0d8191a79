import { KdError } from "@kd/contract";
import { type StoredTensor, toFloat32, toHalf } from "@kd/safetensors";
import type { LocatedTensor, Weights } from "@kd/safetensors/node";
import { type HalfFormat, halfTensor, type Params, type Tensor, tensor, unfilledTensor, widen } from "@kd/tensor-core";

/** Options of {@link loadParams}. */
export interface LoadParams {
  /** What must be there, by its name in memory. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The name in memory of a stored one. @defaultValue the same */
  readonly rename?: (stored: string) => string;
  /** Names in memory that may be stored and are not read. @defaultValue none */
  readonly ignored?: (name: string) => boolean;
  /** Keeps weights in 16 bits outside the engine's memory, for a model that is not trained. @defaultValue "float32" */
  readonly keep?: "float32" | HalfFormat;
  /** Sees each stored tensor once, by its name in memory, while its bytes are there. @defaultValue nobody */
  readonly onTensor?: (name: string, stored: StoredTensor) => void;
}

/** Stored name to name in memory, of one checkpoint. */
type Plan = ReadonlyMap<string, string>;

/**
 * Checkpoints into parameters. Names, shapes and types are compared before a byte of a tensor is read; tensors are read one at a time and
 * read or widened straight into the engine's memory where it can be reached, so that no second copy of the weights exists.
 *
 * @throws KdError `KD_WEIGHTS` naming file and tensor: missing, foreign, there twice, of another shape or of whole numbers.
 */
export async function loadParams(
  parts: readonly { readonly weights: Weights; readonly rename?: (stored: string) => string }[],
  { shapes, rename = (name) => name, ignored = () => false, keep = "float32", onTensor }: LoadParams,
): Promise<Params> {
  const found = new Set<string>();
  const plans = parts.map(({ weights, rename: own = rename }) =>
    planOf(weights, { shapes, ignored, found, rename: own }),
  );
  const missing = [...shapes.keys()].filter((name) => !found.has(name));
  if (missing.length > 0)
    throw new KdError(
      "KD_WEIGHTS",
      `${parts.map(({ weights }) => weights.path).join(", ")}: tensor ${some(missing)} is missing; the weights file is incomplete`,
    );
  const params: Params = new Map();
  const direct: Params = new Map(); // by its stored name; the bytes of the last one may still be on their way
  const into = (stored: string, located: LocatedTensor): Uint8Array | undefined => {
    if (keep !== "float32" || located.dtype !== "F32" || located.strides !== undefined) return undefined;
    const unfilled = unfilledTensor(located.shape);
    if (unfilled !== undefined) direct.set(stored, unfilled.tensor);
    return unfilled?.bytes;
  };
  try {
    for (const [i, plan] of plans.entries())
      for await (const [stored, weight] of (parts[i] as { weights: Weights }).weights.stream(plan.keys(), { into })) {
        const name = plan.get(stored) as string;
        onTensor?.(name, weight);
        params.set(name, direct.get(stored) ?? keptAs(weight, keep));
        direct.delete(stored);
      }
  } catch (error) {
    for (const value of [...params.values(), ...direct.values()]) value.dispose();
    throw error;
  }
  return params;
}

interface PlanOptions extends Pick<LoadParams, "shapes"> {
  readonly rename: (stored: string) => string;
  readonly ignored: (name: string) => boolean;
  /** Names that earlier parts had; grows. */
  readonly found: Set<string>;
}

function planOf({ path, tensors }: Weights, { shapes, ignored, rename, found }: PlanOptions): Plan {
  const plan = new Map<string, string>();
  const foreign: string[] = [];
  for (const [stored, { shape, dtype }] of tensors) {
    const name = rename(stored);
    const expected = shapes.get(name);
    if (expected === undefined) {
      if (!ignored(name)) foreign.push(stored);
      continue;
    }
    if (found.has(name)) throw new KdError("KD_WEIGHTS", `${path}: expected "${name}" once, got "${stored}" as well`);
    if (expected.join() !== shape.join())
      throw new KdError(
        "KD_WEIGHTS",
        `${path}: "${stored}" must be [${expected.join(", ")}], got [${shape.join(", ")}]; check config.json`,
      );
    if (!FLOATS.includes(dtype))
      throw new KdError(
        "KD_WEIGHTS",
        `${path}: "${stored}" must be one of ${FLOATS.join(", ")}, got ${dtype}: whole numbers are quantised weights, which lack their scale here; save the model in floats`,
      );
    found.add(name);
    plan.set(stored, name);
  }
  if (foreign.length > 0)
    throw new KdError(
      "KD_WEIGHTS",
      `${path}: tensor ${some(foreign)} belongs to no part of this configuration; check config.json`,
    );
  return plan;
}

const FLOATS: readonly string[] = ["F32", "F16", "BF16", "F64"];

const some = (names: readonly string[]): string =>
  `"${names[0]}"${names.length > 1 ? ` (and ${names.length - 1} more)` : ""}`;

/** The stored bytes are overwritten by the next tensor's: everything here copies. */
function keptAs(weight: StoredTensor, keep: "float32" | HalfFormat): Tensor {
  const { dtype, shape } = weight;
  if (keep !== "float32") {
    const words = toHalf(weight, keep === "bf16" ? "BF16" : "F16");
    return halfTensor({ format: keep, words: owned(words, weight) as Uint16Array, shape });
  }
  if (dtype === "BF16" || dtype === "F16") {
    const half = halfTensor({ format: dtype === "BF16" ? "bf16" : "fp16", words: toHalf(weight, dtype), shape });
    const wide = widen(half); // into the wasm heap without a copy in between
    half.dispose();
    return wide;
  }
  return tensor(owned(toFloat32(weight), weight) as Float32Array, [...shape]); // engines may keep the array itself
}

const owned = <T extends Float32Array | Uint16Array>(values: T, { data }: StoredTensor): Float32Array | Uint16Array =>
  values.buffer === data.buffer ? values.slice() : values;
