import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { decompress as unzstd } from "fzstd";
import { type Compressors, snappyUncompress } from "hyparquet";

/** Larger pages are refused; writers aim at 1 MiB, a page of pictures can be as large as its row group. */
export const MAX_PAGE_BYTES: number = 512 * 1024 ** 2;

const sized = (length: number): Uint8Array => {
  if (!(length >= 0 && length <= MAX_PAGE_BYTES)) throw new RangeError(`a page of ${length} bytes`);
  return new Uint8Array(length);
};

/** Codecs whose output is never longer than the page's header says. */
export const boundedCodecs: Compressors = {
  SNAPPY: (input, length) => {
    const output = sized(length);
    snappyUncompress(input, output);
    return output;
  },
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, sized(length).length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, sized(length).length) }),
  ZSTD: (input, length) => unzstd(input, sized(length)),
};
