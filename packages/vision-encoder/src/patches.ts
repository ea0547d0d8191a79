import {
  linear,
  type Operand,
  reshape,
  slice,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  tidy,
  transpose,
  widen,
} from "@kd/tensor-core";
import type { VisionConfig } from "./config.ts";

/** Cuts `[I, H, W, C]` into rows `[I, N, C·p·p]`, each in the order of a convolution's weight `[D, C, p, p]`. */
function cutPatches(pixels: Tensor4D, patch: number): Tensor {
  const [images, height, width, channels] = pixels.shape;
  const [rows, columns] = [Math.floor(height / patch), Math.floor(width / patch)];
  return tidy(() => {
    const whole = slice(pixels, [0, 0, 0, 0], [images, rows * patch, columns * patch, channels]);
    // Neighbours in a row of pixels are swapped first; no tensor has more than five axes.
    const bands = reshape(whole, [images * rows, patch, columns, patch, channels]);
    return reshape(transpose(bands, [0, 2, 4, 1, 3]), [images, rows * columns, channels * patch * patch]);
  });
}

/** A convolution whose stride is its width, as one product: `[I, N, D]`. */
export function embedPatches(
  pixels: Tensor4D,
  weight: Operand<Tensor4D>,
  bias: Operand<Tensor1D> | undefined,
  { patch_size, hidden_size }: VisionConfig,
): Tensor {
  const flat = (w: Tensor4D) => reshape(w, [hidden_size, -1]) as Tensor2D;
  const matrix: Operand<Tensor2D> = "constant" in weight ? { constant: flat(widen(weight.constant)) } : flat(weight);
  return linear({ constant: cutPatches(pixels, patch_size) }, matrix, bias);
}
