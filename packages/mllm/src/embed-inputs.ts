import { KdError, type TokenBatch, visualRows } from "@kd/contract";
import { embedTokens } from "@kd/slm";
import {
  concat,
  constant,
  gatherRows,
  halfOf,
  operand,
  type Params,
  replaceRows,
  reshape,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
  tensorOf,
  tidy,
  widen,
} from "@kd/tensor-core";
import type { LlavaConfig } from "./config.ts";
import { imageFeatures } from "./image-features.ts";
import { NEWLINE_NAME, VISION } from "./names.ts";
import { NEWLINE, packedRows, type TiledPicture } from "./pack-tiles.ts";
import { project } from "./project.ts";
import { explainVisualTokens, visualTokens } from "./visual-tokens.ts";

/** A batch for any model of the family. */
export interface LlavaBatch extends TokenBatch {
  /** For LLaVA-NeXT: one a span, in their order; a span's `image` is the picture's whole view, whose tiles follow it. */
  readonly pictures?: readonly TiledPicture[];
}

/** Options of {@link embedInputs}. */
export interface EmbedInputs {
  readonly config: LlavaConfig;
  readonly params: Params;
  /** Hash of this model's tower ({@link towerHash}); features of another are refused. */
  readonly tower: string;
  readonly batch: LlavaBatch;
  /** Names of the parameters that need a gradient; none by default. */
  readonly trainable?: ReadonlySet<string>;
  /** Of a tower that is trained. @defaultValue false */
  readonly gradientCheckpointing?: boolean;
}

/**
 * Token embeddings with projected image features at the image positions, `[B, T, D]`.
 *
 * @throws KdError `KD_DATA` when a span is not as long as its image has features, or points to no image.
 */
export function embedInputs({
  config,
  params,
  tower,
  batch,
  trainable,
  gradientCheckpointing = false,
}: EmbedInputs): Tensor3D {
  const { inputIds, shape, imageSpans, images } = batch;
  const training = trainable === undefined ? {} : { trainable };
  return tidy(() => {
    const embeddings = embedTokens({ config: config.text_config, params, inputIds, shape, ...training });
    if (imageSpans.length === 0) return embeddings;
    if (images === undefined)
      throw new KdError(
        "KD_DATA",
        `embedInputs: ${imageSpans.length} image spans but no images; set the batch's images`,
      );
    const options = { config, params, tower, images, gradientCheckpointing, ...training };
    // given features are another tower's before they are too many; a tower does not run for spans that do not fit
    const given = images.kind === "features" ? imageFeatures(options) : undefined;
    const [count, length] = [images.shape[0], given?.shape[1] ?? visualTokens(config)];
    const packed = config.image_grid_pinpoints === undefined ? undefined : packedSpans(batch, config);
    for (const span of packed === undefined ? imageSpans : [])
      if (span.length !== length || span.image < 0 || span.image >= count || span.start + span.length > shape[1])
        throw new KdError(
          "KD_DATA",
          `embedInputs: sample ${span.sample} has ${span.length} image tokens for image ${span.image}, the tower gives ${count} images of ${length} tokens${given ? "" : `: ${explainVisualTokens(config)}`}; expand <image> to ${length} tokens, and let teacher and student select alike`,
        );
    const features = given ?? imageFeatures(options);
    const width = config.text_config.hidden_size;
    const towerTrained = trainable !== undefined && [...trainable].some((name) => name.startsWith(VISION));
    const projected = reshape(project(towerTrained ? features : constant(features), params, trainable), [
      -1,
      width,
    ]) as Tensor2D;
    const newline = (): Tensor => reshape(newlineOf(params, trainable), [1, width]);
    const values =
      packed !== undefined
        ? gatherRows(concat([projected, newline()]) as Tensor2D, rowsOf(packed, count * length))
        : inOrder(imageSpans, count)
          ? projected
          : gatherRows(projected, sourceRows(batch, length));
    const rows = tensor1d(visualRows(batch), "int32");
    return reshape(replaceRows(reshape(embeddings, [-1, width]) as Tensor2D, rows, values as Tensor2D), [
      ...shape,
      width,
    ]) as Tensor3D;
  });
}

/** Rows of the images' features that each token of a tiled picture takes, {@link NEWLINE} among them. Throws `KD_DATA`. */
function packedSpans({ imageSpans, images, pictures }: LlavaBatch, config: LlavaConfig): number[] {
  if (pictures?.length !== imageSpans.length)
    throw new KdError(
      "KD_DATA",
      `embedInputs: expected the size and grid of ${imageSpans.length} pictures, as this model reads tiles, got ${pictures?.length ?? "none"}; set the batch's pictures`,
    );
  const [count, tokens] = [images?.shape[0] ?? 0, visualTokens(config)];
  return imageSpans.flatMap(({ sample, image, length }, i) => {
    const picture = pictures[i] as TiledPicture;
    const rows = packedRows(picture, config);
    if (length !== rows.length || image < 0 || image + picture.rows * picture.columns >= count)
      throw new KdError(
        "KD_DATA",
        `embedInputs: sample ${sample} has ${length} image tokens for image ${image}, a picture of ${picture.height} × ${picture.width} in ${picture.rows} × ${picture.columns} tiles takes ${rows.length} and ${1 + picture.rows * picture.columns} of the ${count} images; expand <image> to ${rows.length} tokens`,
      );
    return rows.map((row) => (row === NEWLINE ? NEWLINE : image * tokens + row));
  });
}

/** As a tensor for stock operations, which give it a gradient where it is trained. */
function newlineOf(params: Params, trainable?: ReadonlySet<string>): Tensor {
  const tensor = tensorOf(operand(params, NEWLINE_NAME, trainable));
  return halfOf(tensor) === undefined ? tensor : widen(tensor);
}

const rowsOf = (packed: readonly number[], newline: number) =>
  tensor1d(
    packed.map((row) => (row === NEWLINE ? newline : row)),
    "int32",
  );

/** Every image used once, in its order: the usual case, which needs no gathering. */
const inOrder = (spans: TokenBatch["imageSpans"], count: number): boolean =>
  spans.length === count && spans.every((span, i) => span.image === i);

const sourceRows = ({ imageSpans }: TokenBatch, length: number) =>
  tensor1d(
    imageSpans.flatMap(({ image }) => Array.from({ length }, (_, i) => image * length + i)),
    "int32",
  );
