import { checkPixels, type RgbImage } from "./image.ts";
import { lookUp } from "./normalize.ts";
import { resize } from "./resize.ts";

/** Centres the image on a square of one colour; 127 is SigLIP's mean, `int(255 · 0.5)`. `level` may be a value a channel. Throws `KD_DATA`. */
export function padSquare(image: RgbImage, { level = 127 }: { level?: number | readonly number[] } = {}): RgbImage {
  const side = Math.max(image.width, image.height);
  checkPixels("padSquare", side, side);
  const data = new Uint8Array(side * side * 3);
  if (typeof level === "number") data.fill(level);
  else for (let i = 0; i < data.length; i++) data[i] = level[i % 3] as number;
  const left = Math.floor((side - image.width) / 2);
  const top = Math.floor((side - image.height) / 2);
  for (let y = 0; y < image.height; y++)
    data.set(image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3), ((top + y) * side + left) * 3);
  return { data, width: side, height: side };
}

const channel = Float32Array.from({ length: 256 }, (_, level) => (level / 255 - 0.5) / 0.5);

/** `[size, size, 3]` in −1…1, channels last; `pad` (default false, as TinyLLaVA) keeps the aspect ratio, as LLaVA does. */
export function siglipPixels(image: RgbImage, { size, pad = false }: { size: number; pad?: boolean }): Float32Array {
  const { data } = resize(pad ? padSquare(image) : image, { width: size, height: size });
  return lookUp(data, [channel, channel, channel]);
}

/** SigLIP's `preprocessor_config.json`: resized to a square of `size` pixels by bicubic interpolation, −1…1. */
export function siglipProcessorConfig(size: number): object {
  return {
    image_processor_type: "SiglipImageProcessor",
    size: { height: size, width: size },
    do_resize: true,
    resample: 3,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  };
}
