import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseSafetensors, serializeSafetensors, toFloat32 } from "../src/index.ts";

const root = process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".safetensors"));

it.each(files)("%s: read and written again, the tensors are the same bytes", (name) => {
  const file = parseSafetensors(readFileSync(join(root, name)), name);
  expect(file.tensors.size).toBeGreaterThan(0);
  const again = parseSafetensors(serializeSafetensors(file.tensors, { ...file.metadata }));
  expect([...again.tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
  for (const [key, { dtype, shape, data }] of file.tensors) {
    const back = again.tensors.get(key);
    expect({ ...back, data: 0 }).toEqual({ dtype, shape, data: 0 });
    expect(Buffer.compare(data, back?.data ?? new Uint8Array())).toBe(0);
    if (dtype !== "F16" && dtype !== "BF16") continue;
    const rounded = serializeSafetensors([["x", { dtype, shape, data: toFloat32({ dtype, shape, data }) }]]);
    expect(Buffer.compare(rounded.subarray(rounded.length - data.length), data)).toBe(0);
  }
});
