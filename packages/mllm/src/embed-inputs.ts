import { KdError, type TokenBatch, visualRows } from "@kd/contract";
import { embedTokens } from "@kd/slm";
import {
  constant,
  gatherRows,
  type Params,
  replaceRows,
  reshape,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
  tidy,
} from "@kd/tensor-core";
import type { LlavaConfig } from "./config.ts";
import { imageFeatures } from "./image-features.ts";
import { VISION } from "./names.ts";
import { project } from "./project.ts";
import { explainVisualTokens, visualTokens } from "./visual-tokens.ts";

/** Options of {@link embedInputs}. */
export interface EmbedInputs {
  readonly config: LlavaConfig;
  readonly params: Params;
  /** Hash of this model's tower ({@link towerHash}); features of another are refused. */
  readonly tower: string;
  readonly batch: TokenBatch;
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
    for (const span of imageSpans)
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
    const values = inOrder(imageSpans, count)
      ? projected
      : (gatherRows(projected, sourceRows(batch, length)) as Tensor2D);
    const rows = tensor1d(visualRows(batch), "int32");
    return reshape(replaceRows(reshape(embeddings, [-1, width]) as Tensor2D, rows, values), [
      ...shape,
      width,
    ]) as Tensor3D;
  });
}

/** Every image used once, in its order: the usual case, which needs no gathering. */
const inOrder = (spans: TokenBatch["imageSpans"], count: number): boolean =>
  spans.length === count && spans.every((span, i) => span.image === i);

const sourceRows = ({ imageSpans }: TokenBatch, length: number) =>
  tensor1d(
    imageSpans.flatMap(({ image }) => Array.from({ length }, (_, i) => image * length + i)),
    "int32",
  );
