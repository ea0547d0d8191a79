import { createReadStream, createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { dataError } from "./data-error.ts";
import { unpackedFile } from "./unpacked-file.ts";

/** JSON text becomes 3 to 20 times smaller; deflate can reach 1,032. */
const MAX_RATIO = 200;
/** Unpacked bytes that no ratio forbids. */
const FREE_BYTES = 16 * 1024 ** 2;

/** Unpacks a `.gz` file once: records are read in any order, which gzip does not allow. Throws `KD_DATA` beyond 200 times its size. */
export function unpackGzip(path: string, options: { name: string; folder?: string | undefined }): Promise<string> {
  const unpack = async (aside: string, packedBytes: number): Promise<void> => {
    let written = 0;
    const bounded = new Transform({
      transform(chunk: Uint8Array, _, next) {
        written += chunk.length;
        if (written <= Math.max(FREE_BYTES, packedBytes * MAX_RATIO)) next(null, chunk);
        else
          next(
            dataError(
              options.name,
              `expected at most ${MAX_RATIO} times its ${packedBytes} bytes, got more when unpacked; unpack it yourself if it is right`,
            ),
          );
      },
    });
    await pipeline(createReadStream(path), createGunzip(), bounded, createWriteStream(aside, { flags: "wx" }));
  };
  return unpackedFile(path, { ...options, unpack });
}
