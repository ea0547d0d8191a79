import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, expect, it } from "vitest";
import { readImage } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "kd-data-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const levels = (width: number, height: number): Uint8Array =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 256);

it("takes the high bytes of 16-bit pictures", async () => {
  const [width, height] = [9, 5];
  const want = levels(width, height);
  const wide = Uint16Array.from(want, (level, i) => level * 256 + ((i * 91) % 256));
  const raw = { width, height, channels: 3 as const };
  await sharp(wide, { raw }).toColourspace("rgb16").png().toFile(at("wide.png"));
  expect((await sharp(at("wide.png")).metadata()).depth).toBe("ushort");
  expect(await readImage(at("wide.png"))).toEqual({ data: want, width, height });
});

it("puts a colour behind transparent pixels, or drops alpha", async () => {
  const half = Uint8Array.of(200, 100, 0, 255, 10, 20, 30, 0);
  await sharp(half, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toFile(at("alpha.png"));
  expect([...(await readImage(at("alpha.png"))).data]).toEqual([200, 100, 0, 10, 20, 30]);
  expect([...(await readImage(at("alpha.png"), { background: "white" })).data]).toEqual([200, 100, 0, 255, 255, 255]);
});

it.each(["png", "jpeg", "webp"] as const)("names a truncated %s", async (format) => {
  const [width, height] = [64, 64];
  const bytes = await sharp(levels(width, height), { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
  for (const share of [0.3, 0.9]) {
    const file = at(`cut-${share}.${format}`);
    writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length * share)));
    await expect(readImage(file)).rejects.toMatchObject({ code: "KD_DATA", message: expect.stringContaining(file) });
  }
});

it("names an empty file and a folder", async () => {
  writeFileSync(at("empty.png"), "");
  for (const file of [at("empty.png"), folder])
    await expect(readImage(file)).rejects.toMatchObject({ code: "KD_DATA", message: expect.stringContaining(file) });
});
