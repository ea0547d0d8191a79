import { type ImageBatch, KdError } from "@kd/contract";
import { type Params, type Tensor3D, type Tensor4D, tensor3d, tensor4d, tidy } from "@kd/tensor-core";
import { selectFeatures, visionForward } from "@kd/vision-encoder";
import type { LlavaConfig } from "./config.ts";
import { featureWidth } from "./visual-tokens.ts";

export interface ImageFeatures {
  readonly config: LlavaConfig;
  readonly params: Params;
  /** Hash of this model's tower, as its features carry it. */
  readonly tower: string;
  readonly images: ImageBatch;
  readonly trainable?: ReadonlySet<string>;
  readonly gradientCheckpointing?: boolean;
}

/**
 * Features `[I, N, D]` of a batch's images: given ones, or the tower's own, at the configured layer.
 *
 * @throws KdError `KD_CONFIG` when the features are another tower's or of another size.
 */
export function imageFeatures({
  config,
  params,
  tower,
  images,
  trainable,
  gradientCheckpointing = false,
}: ImageFeatures): Tensor3D {
  if (images.kind === "features") {
    if (images.tower !== tower)
      throw new KdError(
        "KD_CONFIG",
        `imageFeatures: the features come from tower ${images.tower.slice(0, 12)}…, this model has ${tower.slice(0, 12)}…; compute them with this model`,
      );
    const width = images.shape[2];
    if (width !== featureWidth(config))
      throw new KdError(
        "KD_CONFIG",
        `imageFeatures: expected rows of ${featureWidth(config)} numbers (tower's width, once a vision_feature_layer), got ${width}; compute the features with this model`,
      );
    return tensor3d(images.data, [...images.shape]);
  }
  return tidy(() => {
    const features = visionForward({
      config: config.vision_config,
      params,
      pixels: tensor4d(images.data, [...images.shape]) as Tensor4D,
      layer: config.vision_feature_layer,
      gradientCheckpointing,
      ...(trainable === undefined ? {} : { trainable }),
    });
    return selectFeatures(features, config.vision_feature_select_strategy === "full" ? "full" : "patch");
  });
}
