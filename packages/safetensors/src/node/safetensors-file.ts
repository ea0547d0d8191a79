import { headerLength, PREFIX, parseHeader } from "../header.ts";
import { readInto, withFile } from "./file.ts";
import type { LocatedTensor } from "./located.ts";

/** The tensors of one `.safetensors` file; only its header is read. */
export function locateSafetensors(path: string): Promise<Map<string, LocatedTensor>> {
  return withFile(path, async (file, fileSize) => {
    const options = { fileSize, name: path };
    const prefix = new Uint8Array(Math.min(PREFIX, fileSize));
    await readInto(file, prefix, 0, path);
    const json = new Uint8Array(headerLength(prefix, options));
    await readInto(file, json, PREFIX, path);
    return new Map(
      parseHeader(json, options).entries.map(({ name, dtype, shape, begin, end }): [string, LocatedTensor] => [
        name,
        { dtype, shape, file: path, position: begin, length: end - begin },
      ]),
    );
  });
}
