import { parseSafetensors, type SafetensorsFile } from "../parse.ts";
import { readWhole } from "./file.ts";

/**
 * Reads a whole `.safetensors` file into memory. For one tensor at a time: {@link openWeights}.
 *
 * @throws KdError `KD_SAFETENSORS`, with the path, when it can't be read or is broken.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readWhole(path), path);
}
