import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { resize, siglipPixels } from "../src/index.ts";

const folder = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "images");
const bytes = readFileSync(join(folder, "expected.safetensors"));
const headerLength = Number(bytes.readBigUInt64LE(0));
const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength));
const { size, files } = JSON.parse(readFileSync(join(folder, "images.json"), "utf8"));

function stored(name: string): Uint8Array {
  const [start, end] = header[name].data_offsets;
  return Uint8Array.from(bytes.subarray(8 + headerLength + start, 8 + headerLength + end));
}
function image(name: string) {
  const [height, width] = header[name].shape;
  return { data: stored(name), width, height };
}

it.each(Object.keys(header).filter((n) => /^resize\.(bicubic|bilinear)_\d+x\d+$/.test(n)))("%s to the bit", (name) => {
  const { width, height } = image(name);
  const filter = name.includes("bicubic") ? "bicubic" : "bilinear";
  expect(resize(image("resize.source"), { width, height, filter }).data).toEqual(stored(name));
});

it.each<string>(files.map((f: { file: string }) => f.file))("%s as SigLIP", (file: string) => {
  const source = image(`${file}.rgb`);
  expect(resize(source, { width: size, height: size }).data).toEqual(stored(`${file}.siglip_resized_u8`));
  for (const pad of [false, true]) {
    const want = new Float32Array(stored(`${file}.siglip${pad ? "_pad" : ""}`).buffer);
    const got = siglipPixels(source, { size, pad });
    let worst = 0;
    for (let i = 0; i < size * size; i++)
      for (let c = 0; c < 3; c++)
        worst = Math.max(worst, Math.abs((got[i * 3 + c] ?? 9) - (want[c * size * size + i] ?? 0)));
    expect(worst).toBeLessThan(1e-6);
  }
});
