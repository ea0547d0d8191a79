import { createHash } from "node:crypto";
import { dataError } from "./data-error.ts";
import type { DiskSource } from "./source-handle.ts";

/** Sources one after another as one, such as the shards of a Parquet data set. */
export function severalSources(name: string, parts: readonly DiskSource[]): DiskSource {
  const starts = [0];
  for (const part of parts) starts.push((starts.at(-1) as number) + part.length);
  const length = starts.pop() as number;
  const lengths = new Int32Array(length);
  for (const [i, part] of parts.entries()) lengths.set(part.lengths, starts[i]);
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part.fingerprint);
  const fingerprint = hash.digest("hex");
  return {
    name,
    length,
    lengths,
    fingerprint,
    handle: { kind: "several", name, fingerprint, parts: parts.map((part) => part.handle) },
    get: async (index) => {
      const which = starts.findLastIndex((start, i) => start <= index && index < start + (parts[i]?.length ?? 0));
      const part = parts[which];
      if (part === undefined)
        throw dataError(`${name}[${index}]`, `expected an index below ${length}; there are no more records`);
      return part.get(index - (starts[which] as number));
    },
    close: async () => {
      await Promise.all(parts.map((part) => part.close()));
    },
  };
}
