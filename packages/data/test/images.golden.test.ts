import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { imageProcessor, resize, siglipPixels } from "../src/index.ts";

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

const square = { height: size, width: size };
const processors = {
  siglip: { image_processor_type: "SiglipImageProcessor", size: square },
  clip: { image_processor_type: "CLIPImageProcessor", size: { shortest_edge: size }, crop_size: square },
};

/** Farthest from the stored `[3, size, size]`. */
function worst(got: Float32Array, name: string): number {
  const want = new Float32Array(stored(name).buffer);
  expect(got).toHaveLength(want.length);
  let most = 0;
  for (let i = 0; i < size * size; i++)
    for (let c = 0; c < 3; c++)
      most = Math.max(most, Math.abs((got[i * 3 + c] ?? 9) - (want[c * size * size + i] ?? 0)));
  return most;
}

describe.each<string>(files.map((f: { file: string }) => f.file))("%s", (file: string) => {
  it("resized to the bit, and as SigLIP", () => {
    const source = image(`${file}.rgb`);
    expect(resize(source, { width: size, height: size }).data).toEqual(stored(`${file}.siglip_resized_u8`));
    for (const pad of [false, true])
      expect(worst(siglipPixels(source, { size, pad }), `${file}.siglip${pad ? "_pad" : ""}`)).toBeLessThan(1e-6);
  });

  it.each(["siglip", "clip"] as const)("as the %s processor, square and padded", (kind) => {
    for (const aspectRatio of ["square", "pad"] as const) {
      const processor = imageProcessor(processors[kind], { aspectRatio });
      const name = `${kind}${aspectRatio === "pad" ? "_pad" : ""}`;
      expect(worst(processor.pixels(image(`${file}.rgb`)), `${file}.${name}`)).toBe(0);
      if (`${file}.${name}_exif` in header)
        expect(worst(processor.pixels(image(`${file}.rgb_exif`)), `${file}.${name}_exif`)).toBe(0);
    }
  });
});
