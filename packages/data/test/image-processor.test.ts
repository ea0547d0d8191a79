import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { imageProcessor, type RgbImage, resize, siglipPixels, siglipProcessorConfig } from "../src/index.ts";
import { loadImageProcessor, readImage } from "../src/node/index.ts";

// Transformers' processors on pictures of odd sizes: fixtures/generate_images.py
const fixtures = join(import.meta.dirname, "fixtures");
const { cases, cmyk } = JSON.parse(readFileSync(join(fixtures, "images.json"), "utf8"));
const home = mkdtempSync(join(tmpdir(), "kd-processor-"));
afterAll(() => rmSync(home, { recursive: true }));

function picture(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / 3 / width);
    return (x * 7 + y * 13 + (i % 3) * 50 + ((x * y) % 17) * 5) % 256;
  });
  return { data, width, height };
}
const hash = (data: Float32Array | Uint8Array) =>
  createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
const mean = (data: Float32Array) => data.reduce((sum, value) => sum + value, 0) / data.length;

describe.each<{
  config: Record<string, unknown>;
  given: object;
  outputs: { width: number; height: number; tiles: [string, number][] }[];
}>(cases)("$config.image_processor_type $given", ({ config, given, outputs }) => {
  const type = config.image_processor_type;
  it.each(outputs)("$width x $height to the bit", ({ width, height, tiles }) => {
    for (const form of [config, { ...given, image_processor_type: `${type}Fast` }]) {
      const processor = imageProcessor(form);
      const image = picture(width, height);
      const got = processor.tiles(image);
      expect(got.map(mean)).toEqual(tiles.map(([, value]) => expect.closeTo(value, 4)));
      expect(got.map(hash)).toEqual(tiles.map(([digest]) => digest));
      expect(processor.tileCount(image)).toBe(tiles.length);
      expect(got[0]).toHaveLength(processor.size.height * processor.size.width * 3);
      expect(processor.pixels(image)).toEqual(got[0]);
    }
  });
});

it("decodes a CMYK JPEG as Pillow", async () => {
  expect(hash((await readImage(join(fixtures, "cmyk.jpg"))).data)).toBe(cmyk);
});

it("is siglipPixels for SigLIP, square and padded", () => {
  const config = siglipProcessorConfig(24);
  const { image_processor_type, size } = config as Record<string, unknown>;
  expect(imageProcessor({ image_processor_type, size }).id).toBe(imageProcessor(config).id); // the rest is the default
  for (const aspectRatio of ["square", "pad"] as const) {
    const got = imageProcessor(config, { aspectRatio }).pixels(picture(50, 31));
    const want = siglipPixels(picture(50, 31), { size: 24, pad: aspectRatio === "pad" });
    expect(Math.max(...got.map((value, i) => Math.abs(value - (want[i] as number))))).toBeLessThan(1e-6);
  }
});

it("cuts tiles of any tower's size, in LLaVA-1.6's grids", () => {
  const config = { image_processor_type: "SiglipImageProcessor", size: { height: 24, width: 24 } };
  const processor = imageProcessor(config, { aspectRatio: "anyres" });
  const shapes = [
    [48, 24],
    [24, 48],
    [48, 48],
    [24, 72],
    [72, 24],
  ] as const;
  expect(shapes.map(([width, height]) => processor.tileCount({ width, height }))).toEqual([3, 3, 5, 4, 4]);
  expect(shapes.map(([width, height]) => processor.grid({ width, height }))).toEqual([
    { rows: 1, columns: 2 },
    { rows: 2, columns: 1 },
    { rows: 2, columns: 2 },
    { rows: 3, columns: 1 },
    { rows: 1, columns: 3 },
  ]);
  expect(imageProcessor(config).grid({ width: 48, height: 24 })).toBeUndefined();
  const image = picture(48, 24); // fits a grid as it is: each tile is its part, normalised
  const [, left, right] = processor.tiles(image);
  const part = (from: number) => {
    const rows = Array.from({ length: 24 }, (_, y) => [
      ...image.data.subarray((y * 48 + from) * 3, (y * 48 + from + 24) * 3),
    ]);
    return imageProcessor(config).pixels({ data: Uint8Array.from(rows.flat()), width: 24, height: 24 });
  };
  expect([left, right]).toEqual([part(0), part(24)]);
});

it("has one id for one way to make pixels", () => {
  const config = { image_processor_type: "SiglipImageProcessor", size: { height: 24, width: 24 } };
  const id = (more: object) => imageProcessor({ ...config, ...more }).id;
  expect(id({ resample: 3, do_rescale: true, processor_class: "LlavaProcessor" })).toBe(id({}));
  const others = [
    { resample: 2 },
    { size: { height: 25, width: 24 } },
    { image_mean: [0.5, 0.5, 0.4] },
    { do_normalize: false },
    { image_aspect_ratio: "pad" },
  ];
  expect(new Set([{}, ...others].map(id)).size).toBe(others.length + 1);
});

it("loads the file of a folder, or the processor inside processor_config.json", async () => {
  await expect(loadImageProcessor(home)).rejects.toThrow(
    `${join(home, "preprocessor_config.json")}: expected an image processor's`,
  );
  const config = { image_processor_type: "SiglipImageProcessor", size: { height: 24, width: 30 } };
  writeFileSync(join(home, "processor_config.json"), JSON.stringify({ image_processor: config }));
  expect((await loadImageProcessor(home)).size).toEqual({ height: 24, width: 30 });
  writeFileSync(join(home, "preprocessor_config.json"), JSON.stringify({ ...config, size: { height: 20, width: 20 } }));
  expect((await loadImageProcessor(home)).size).toEqual({ height: 20, width: 20 });
  writeFileSync(join(home, "preprocessor_config.json"), JSON.stringify({ ...config, size: "large" }));
  await expect(loadImageProcessor(home)).rejects.toMatchObject({
    code: "KD_CONFIG",
    message: expect.stringContaining(home),
  });
});

it("refuses a thread of a picture instead of filling the memory", () => {
  const size = { height: 24, width: 24 };
  const siglip = { image_processor_type: "SiglipImageProcessor", size };
  const clip = { image_processor_type: "CLIPImageProcessor", size: { shortest_edge: 336 }, crop_size: 336 };
  expect(() => imageProcessor(siglip, { aspectRatio: "pad" }).pixels(picture(20_000, 1))).toThrow(
    /got 20000x20000; crop/,
  );
  expect(() => imageProcessor(clip).pixels(picture(3000, 1))).toThrow(/got 1008000x336; crop/);
  expect(() => resize(picture(1, 3000), { width: 100_000, height: 1 })).toThrow(/got 100000x3000; crop/);
  expect(imageProcessor(siglip).pixels(picture(20_000, 1))).toHaveLength(24 * 24 * 3);
});

it.each([
  [{ image_processor_type: "Qwen2VLImageProcessor" }, /expected SiglipImageProcessor, .*, got Qwen2VLImageProcessor/],
  [{ image_processor_type: "CLIPImageProcessor", do_center_crop: false }, /makes all pictures equally large/],
  [{ image_processor_type: "SiglipImageProcessor", do_resize: false }, /makes all pictures equally large/],
  [{ image_mean: 0, image_std: 1 }, /expected a size, .* got size undefined/],
  [{ image_processor_type: "SiglipImageProcessor", size: { longest_edge: 384 } }, /size/],
  [{ image_processor_type: "SiglipImageProcessor", size: { height: 60_000, width: 60_000 } }, /height/],
  [{ image_processor_type: "SiglipImageProcessor", resample: 9 }, /expected resample 0 to 5/],
  [{ image_processor_type: "SiglipImageProcessor", image_std: [0.5, 0, 0.5] }, /image_std above 0/],
  [{ image_processor_type: "SiglipImageProcessor", image_aspect_ratio: "round" }, /square, pad or anyres, got round/],
  [{ size: { height: 24, width: 24 } }, /expected image_mean and image_std/],
  [{ image_processor_type: "LlavaNextImageProcessor", image_grid_pinpoints: [[336, 700]] }, /multiples of 224x224/],
])("refuses %j by name", (config, message) => {
  expect(() => imageProcessor(config, { file: "p.json" })).toThrow(message);
  expect(() => imageProcessor(config, { file: "p.json" })).toThrow(/^p\.json: /);
});
