import type { MicroLoss } from "@kd/stages";
import {
  add,
  concat,
  div,
  exp,
  gatherRows,
  gelu,
  layerNorm,
  linear,
  mean,
  mul,
  type Params,
  type Rng,
  reshape,
  rowLosses,
  type Scalar,
  sqrt,
  square,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  tensor,
  tensor1d,
  tensor4d,
  transpose,
  variable,
} from "@kd/tensor-core";
import { initVision, type VisionConfig, visionForward } from "@kd/vision-encoder";
import type { TextBank } from "./text-bank.ts";

const WIDTH = 128; // of the common space and of the word vectors
const COLOUR_WEIGHT = 0.3;

/** One step: pictures alone and scenes of four, each with the row of its text in the bank (or none) and its colour (or none). */
export interface ContrastiveBatch {
  /** `[I, side, side, 3]`: single pictures first, scenes after them. */
  readonly pixels: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly singles: number;
  /** One a single picture, then four a scene (quadrants); -1 where a quadrant is empty. */
  readonly texts: Int32Array;
  readonly colours: Int32Array;
  readonly bank: { readonly ids: Int32Array; readonly weights: Float32Array };
}

/** Tower, projection, word vectors and colour head; all are trained, only the tower is kept. */
export function initContrastive(config: VisionConfig, bank: TextBank, colours: number, rng: Rng): Params {
  const params: Params = new Map();
  for (const [name, value] of initVision(config, rng)) {
    params.set(name, variable(value));
    value.dispose();
  }
  const matrix = (name: string, rows: number, columns: number, deviation: number) => {
    const stream = rng.fork(name);
    const values = Float32Array.from({ length: rows * columns }, () => stream.normal() * deviation);
    params.set(name, variable(tensor(values, [rows, columns])));
  };
  const vector = (name: string, size: number, value: number) =>
    params.set(name, variable(tensor(new Float32Array(size).fill(value))));
  matrix("image.projection", WIDTH, config.hidden_size, config.hidden_size ** -0.5);
  matrix("text.words", bank.vocabularySize, WIDTH, 0.01);
  vector("text.norm.weight", WIDTH, 1);
  vector("text.norm.bias", WIDTH, 0);
  matrix("text.projection", WIDTH, WIDTH, WIDTH ** -0.5);
  matrix("colour.head", colours, config.hidden_size, config.hidden_size ** -0.5);
  vector("temperature", 1, Math.log(10));
  return params;
}

/** Softmax contrastive loss of every picture against the texts of all train concepts, and 0.3 × the colour's cross-entropy. */
export function contrastiveLoss(
  params: Params,
  config: VisionConfig,
  bank: TextBank,
  batch: ContrastiveBatch,
): MicroLoss {
  const trainable = new Set(params.keys());
  const get = <T extends Tensor>(name: string): T => params.get(name) as T;
  const features = visionForward({
    config,
    params,
    pixels: tensor4d(batch.pixels, [...batch.shape]) as Tensor4D,
    trainable,
    layer: -1,
  });
  const pooled = pool(features, batch, config);
  const temperature = exp(get("temperature"));
  const images = mul(normalise(linear(pooled, get<Tensor2D>("image.projection"))), temperature) as Tensor2D;
  const texts = textEmbeddings(params, bank, batch.bank);
  const seen = batch.texts.reduce((count, text) => count + (text >= 0 ? 1 : 0), 0);
  const match = rowLosses({
    student: { hidden: images, head: texts },
    labels: tensor1d(batch.texts, "int32"),
    ceWeight: 1 / seen,
  });
  const coloured = batch.colours.reduce((count, colour) => count + (colour >= 0 ? 1 : 0), 0);
  const colour = rowLosses({
    student: { hidden: pooled, head: get<Tensor2D>("colour.head") },
    labels: tensor1d(batch.colours, "int32"),
    ceWeight: COLOUR_WEIGHT / Math.max(coloured, 1),
  });
  return { loss: add(match.loss, colour.loss) as Scalar, parts: { match: match.ce, colour: colour.ce } };
}

/** Embeddings of all texts, unit rows `[size, WIDTH]`. */
function textEmbeddings(params: Params, bank: TextBank, { ids, weights }: ContrastiveBatch["bank"]): Tensor2D {
  const shape: [number, number] = [bank.size, bank.length];
  const words = gatherRows(params.get("text.words") as Tensor2D, tensor(ids, shape, "int32"));
  const bag = sum(mul(words, tensor(weights, [...shape, 1])), 1);
  const normed = layerNorm(bag, params.get("text.norm.weight") as Tensor1D, params.get("text.norm.bias") as Tensor1D);
  return normalise(linear(gelu(normed), params.get("text.projection") as Tensor2D)) as Tensor2D;
}

const normalise = (x: Tensor): Tensor => div(x, sqrt(add(sum(square(x), -1, true), 1e-8)));

/** Mean of the tokens of a single picture, and of each quadrant of a scene: `[rows, D]`, in the order of the batch's texts. */
function pool(
  features: Tensor,
  { shape, singles }: ContrastiveBatch,
  { image_size, patch_size, hidden_size }: VisionConfig,
): Tensor2D {
  const side = image_size / patch_size;
  const half = side / 2;
  const scenes = shape[0] - singles;
  const tokens = (from: number, count: number): Tensor =>
    gatherRows(
      reshape(features, [shape[0], -1]) as Tensor2D,
      tensor1d(
        Int32Array.from({ length: count }, (_, i) => from + i),
        "int32",
      ),
    );
  const whole = mean(reshape(tokens(0, singles), [singles, side * side, hidden_size]), 1);
  if (scenes === 0) return whole as Tensor2D;
  const grid = reshape(tokens(singles, scenes), [scenes * 2, half, 2, half * hidden_size]);
  const quadrants = reshape(transpose(grid, [0, 2, 1, 3]), [scenes * 4, half * half, hidden_size]);
  return concat([whole, mean(quadrants, 1)], 0) as Tensor2D;
}
