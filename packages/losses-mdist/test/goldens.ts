import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { responseRows, type TokenBatch, visualRows } from "@kd/contract";
import { type Tensor2D, tensor } from "@kd/tensor-core";

const folder = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "losses");

interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface Golden {
  readonly name: string;
  readonly terms: Record<"from_logits" | "from_hidden_and_head", Record<string, number>>;
  readonly batch: TokenBatch;
  readonly commonVocabulary: number;
  readonly rows: { readonly response: Int32Array; readonly visual: Int32Array };
  has(name: string): boolean;
  data(name: string): Float32Array;
  /** A stored tensor with its leading axes flattened to rows. */
  matrix(name: string): Tensor2D;
}

export const names: readonly string[] = readdirSync(folder).flatMap((file) =>
  file.endsWith(".json") ? [file.slice(0, -".json".length)] : [],
);

export function golden(name: string): Golden {
  const bytes = readFileSync(join(folder, `${name}.safetensors`));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const tensors = new Map<string, Stored>();
  for (const [key, entry] of Object.entries(JSON.parse(bytes.toString("utf8", 8, start)) as Record<string, never>)) {
    if (key === "__metadata__") continue;
    const { dtype, shape, data_offsets } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const buffer = Uint8Array.from(bytes.subarray(start + data_offsets[0], start + data_offsets[1])).buffer;
    tensors.set(key, { shape, data: dtype === "F32" ? new Float32Array(buffer) : new Int32Array(buffer) });
  }
  const at = (key: string): Stored => {
    const stored = tensors.get(key);
    if (stored === undefined) throw new Error(`${name} has no ${key}`);
    return stored;
  };
  const record = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const labels = at("labels");
  const batch: TokenBatch = {
    inputIds: new Int32Array(labels.data.length),
    labels: labels.data as Int32Array,
    attentionMask: Uint8Array.from(at("attention_mask").data),
    shape: labels.shape as unknown as readonly [number, number],
    imageSpans: record.image_spans.map((span: object, image: number) => ({ ...span, image })),
  };
  return {
    name,
    terms: record,
    batch,
    commonVocabulary: record.shape.common_vocab,
    rows: { response: responseRows(batch), visual: visualRows(batch) },
    has: (key) => tensors.has(key),
    data: (key) => at(key).data as Float32Array,
    matrix: (key) => {
      const { shape, data } = at(key);
      return tensor(data, [shape.slice(0, -1).reduce((a, b) => a * b, 1), shape.at(-1) as number]) as Tensor2D;
    },
  };
}

/** Largest difference, as a part of the largest expected value (or of `floor`, where everything expected is 0). */
export function difference(got: ArrayLike<number>, expected: ArrayLike<number>, floor = 1e-3): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [worst, largest] = [0, floor];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs((got[i] as number) - (expected[i] as number)));
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return worst / largest;
}
