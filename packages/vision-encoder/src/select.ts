import { KdError } from "@kd/contract";
import { clone, slice, type Tensor3D } from "@kd/tensor-core";

/**
 * LLaVA's `vision_feature_select_strategy`: `"full"` keeps every row of `[I, N, D]`; `"patch"` (Hugging Face: `default`) drops the first,
 * a class token in CLIP and a real patch in SigLIP. A new tensor, the caller's to dispose.
 *
 * @throws KdError `KD_CONFIG` for another strategy.
 */
export function selectFeatures(features: Tensor3D, strategy: "full" | "patch"): Tensor3D {
  if (strategy === "full") return clone(features);
  if (strategy === "patch") return slice(features, [0, 1, 0], [-1, -1, -1]);
  throw new KdError(
    "KD_CONFIG",
    `selectFeatures: expected "full" or "patch", got ${JSON.stringify(strategy)}; correct the strategy`,
  );
}
