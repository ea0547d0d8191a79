import { mul, type Params, sub, type Tensor, type Tensor4D, tensor, tensor4d, tidy, Variable } from "@kd/tensor-core";
import { type VisionConfig, visionForward } from "@kd/vision-encoder";
import { plainPixels } from "../data/augment.ts";
import type { Picture } from "../data/pictures.ts";
import { PIXELS } from "../data/rasterise.ts";

const PREFIX = "vision_tower.vision_model.";
const CHUNK = 64;

/**
 * Rewrites the tower so that its last hidden state has mean 0 in every dimension and variance 1 on average, over plain pictures. It is the
 * same tower: every layer reads its input through a layer norm, so what is written into the residual stream may be scaled, and the last
 * bias may be moved. Features then need no statistics beside them.
 */
export async function centreFeatures(
  params: Params,
  config: VisionConfig,
  pictures: readonly Picture[],
): Promise<void> {
  const width = config.hidden_size;
  const sums = new Float64Array(width);
  const squares = new Float64Array(width);
  let count = 0;
  for (let start = 0; start < pictures.length; start += CHUNK) {
    const chunk = pictures.slice(start, start + CHUNK);
    const pixels = new Float32Array(chunk.length * PIXELS * PIXELS * 3);
    for (const [i, picture] of chunk.entries()) pixels.set(plainPixels(picture), i * PIXELS * PIXELS * 3);
    const features = tidy(() =>
      visionForward({
        config,
        params,
        pixels: tensor4d(pixels, [chunk.length, PIXELS, PIXELS, 3]) as Tensor4D,
        layer: -1,
      }),
    );
    const data = (await features.data()) as Float32Array;
    features.dispose();
    for (const [i, x] of data.entries()) {
      sums[i % width] = (sums[i % width] as number) + x;
      squares[i % width] = (squares[i % width] as number) + x * x;
    }
    count += data.length / width;
  }
  const mean = Array.from(sums, (sum) => sum / count);
  const variance = Array.from(squares, (square, i) => square / count - (mean[i] as number) ** 2);
  const scale = 1 / Math.sqrt(variance.reduce((a, b) => a + b, 0) / width);

  const change = (name: string, to: (value: Tensor) => Tensor): void => {
    const value = params.get(PREFIX + name) as Tensor;
    const next = tidy(() => to(value));
    if (value instanceof Variable) {
      value.assign(next);
      next.dispose();
    } else {
      params.set(PREFIX + name, next);
      value.dispose();
    }
  };
  const last = `encoder.layers.${config.num_hidden_layers - 1}.mlp.fc2.bias`;
  change(last, (bias) => sub(bias, tensor(mean)));
  const written = [
    "embeddings.patch_embedding.weight",
    "embeddings.patch_embedding.bias",
    "embeddings.position_embedding.weight",
  ];
  for (let i = 0; i < config.num_hidden_layers; i++)
    for (const name of ["self_attn.out_proj", "mlp.fc2"])
      written.push(`encoder.layers.${i}.${name}.weight`, `encoder.layers.${i}.${name}.bias`);
  for (const name of written) change(name, (value) => mul(value, scale));
}
