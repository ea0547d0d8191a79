import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type ImageProcessor, type ImageProcessorOptions, imageProcessor } from "../image-processor.ts";
import { readJsonObject } from "./read-json.ts";

/**
 * The image processor of a model's folder: `preprocessor_config.json`, else `image_processor` in `processor_config.json`.
 * Throws `KD_CONFIG`, `KD_DATA` where the file cannot be read.
 */
export async function loadImageProcessor(folder: string, options: ImageProcessorOptions = {}): Promise<ImageProcessor> {
  const file = join(folder, "preprocessor_config.json");
  const own = await readJsonObject(file);
  if (own !== undefined) return imageProcessor(own, { file, ...options });
  const outer = join(folder, "processor_config.json");
  const inner = ((await readJsonObject(outer)) as { image_processor?: object } | undefined)?.image_processor;
  if (inner === undefined)
    throw new KdError(
      "KD_CONFIG",
      `${file}: expected an image processor's configuration, got no such file; copy it from the vision tower's folder`,
    );
  return imageProcessor(inner, { file: outer, ...options });
}
