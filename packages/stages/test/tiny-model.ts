import type { TokenBatch } from "@kd/contract";
import { visualRows } from "@kd/contract";
import {
  createRng,
  gatherRows,
  linear,
  operand,
  type Params,
  replaceRows,
  reshape,
  type Tensor2D,
  tensor,
  tensor1d,
  tensor2d,
  tidy,
  type VisionLanguageModel,
  variable,
} from "@kd/tensor-core";

const V = 11;
const FEATURES = 3;

/** Somebody else's model: an embedding, a linear projector of ready features, a head. Enough for a stage. */
export function tinyModel(seed: number, width = 4): VisionLanguageModel {
  const rng = createRng(seed);
  const random = (rows: number, columns: number) =>
    tidy(() => variable(tensor(Float32Array.from({ length: rows * columns }, rng.normal), [rows, columns])));
  const params: Params = new Map([
    ["projector.weight", random(width, FEATURES)],
    ["embed.weight", random(V, width)],
    ["head.weight", random(V, width)],
  ]);
  return {
    params,
    groups: { vision: [], projector: ["projector.weight"], slm: ["embed.weight", "head.weight"] },
    head: params.get("head.weight") as unknown as Tensor2D,
    forward: (batch, { trainable } = {}) => ({
      hidden: tidy(() => {
        const weight = (name: string) => operand<Tensor2D>(params, name, trainable);
        const embedded = gatherRows(weight("embed.weight"), tensor1d(batch.inputIds, "int32")) as Tensor2D;
        const rows = tensor1d(visualRows(batch), "int32");
        const images = tensor2d(batch.images?.data ?? [], [rows.size, FEATURES]);
        const seen = linear(images, weight("projector.weight")) as Tensor2D;
        const x = rows.size === 0 ? embedded : replaceRows(embedded, rows, seen);
        return reshape(x, [...batch.shape, width]);
      }),
    }),
  };
}

/** One image of two visual tokens, a question and an answer of two tokens; `image: false` for text alone. */
export function tinyBatch({ image = true } = {}): TokenBatch {
  const common = {
    inputIds: Int32Array.of(9, 9, 4, 2, 7),
    labels: Int32Array.of(-100, -100, -100, 2, 7),
    attentionMask: new Uint8Array(5).fill(1),
    shape: [1, 5] as const,
  };
  if (!image) return { ...common, imageSpans: [] };
  return {
    ...common,
    imageSpans: [{ sample: 0, start: 0, length: 2, image: 0 }],
    images: { kind: "features", data: Float32Array.of(1, 0, 2, -1, 1, 0), shape: [1, 2, FEATURES], tower: "t" },
  };
}
