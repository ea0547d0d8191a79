import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
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

const raw = (width: number, height: number) => ({ raw: { width, height, channels: 3 as const } });

it("takes the high bytes of 16-bit grey", async () => {
  const wide = Uint16Array.from({ length: 40 }, (_, i) => i * 1600 + i);
  await sharp(wide, { raw: { width: 8, height: 5, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toFile(at("grey16.png"));
  const { data } = await readImage(at("grey16.png"));
  expect([...data]).toEqual([...wide].flatMap((level) => Array(3).fill(level >> 8)));
});

it.each(["gif", "webp"] as const)("takes the first frame of an animated %s", async (format) => {
  const frames = [0, 255, 128].flatMap((level) => Array(6 * 4 * 3).fill(level));
  const pages = { ...raw(6, 12).raw, pageHeight: 4 };
  await sharp(Uint8Array.from(frames), { raw: pages })
    .toFormat(format, format === "webp" ? { lossless: true } : {})
    .toFile(at(`frames.${format}`));
  expect((await sharp(at(`frames.${format}`)).metadata()).pages).toBe(3);
  const { data, width, height } = await readImage(at(`frames.${format}`));
  expect([width, height, Math.max(...data)]).toEqual([6, 4, 0]);
});

it("ignores a colour profile, as Pillow", async () => {
  const want = levels(9, 5);
  await sharp(want, raw(9, 5)).withIccProfile("p3", { attach: true }).png().toFile(at("p3.png"));
  const stored = await sharp(at("p3.png"), { ignoreIcc: true }).raw().toBuffer();
  expect((await sharp(at("p3.png")).metadata()).hasProfile).toBe(true);
  expect([...stored]).not.toEqual([...want]); // written in P3's levels
  expect((await readImage(at("p3.png"))).data).toEqual(new Uint8Array(stored));
});

it("refuses what is no photo, whatever its name, and says what it is", async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4" fill="red"/></svg>';
  writeFileSync(at("drawing.jpg"), svg);
  writeFileSync(at("text.jpg"), "no picture at all");
  writeFileSync(at("paper.png"), "%PDF-1.4\n%%EOF");
  for (const [name, reason] of [
    ["drawing.jpg", /\(jpeg, png, webp, gif, tiff, heif\), got svg;/],
    ["text.jpg", /unsupported/],
    ["paper.png", /unsupported/],
  ] as const) {
    const reading = readImage(at(name));
    await expect(reading).rejects.toMatchObject({ code: "KD_DATA", message: expect.stringContaining(at(name)) });
    await expect(reading).rejects.toThrow(reason);
  }
  expect([...(await readImage(at("drawing.jpg"), { svg: true })).data.subarray(0, 3)]).toEqual([255, 0, 0]);
});

it("draws no other file into an SVG", async () => {
  await sharp(Uint8Array.of(0, 255, 0), raw(1, 1))
    .png()
    .toFile(at("green.png"));
  const link = 'xmlns:xlink="http://www.w3.org/1999/xlink"';
  const image = `<image xlink:href="green.png" width="4" height="4"/><image xlink:href="file://${at("green.png")}" width="4" height="4"/>`;
  writeFileSync(at("link.svg"), `<svg xmlns="http://www.w3.org/2000/svg" ${link} width="4" height="4">${image}</svg>`);
  const { data } = await readImage(at("link.svg"), { svg: true, background: "white" });
  expect(new Set(data)).toEqual(new Set([255]));
});

it("refuses 60,000 x 60,000 pixels by their header", async () => {
  const ihdr = Buffer.from("0000000d49484452" + "0000ea60" + "0000ea60" + "0802000000", "hex");
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(ihdr.subarray(4)) >>> 0);
  const idat = Buffer.from("0000000049444154" + "35af061e", "hex");
  writeFileSync(at("bomb.png"), Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ihdr, crc, idat]));
  await expect(readImage(at("bomb.png"))).rejects.toThrow(
    /bomb\.png: .*got 60000x60000 pixels, where at most 89478485/,
  );
  await sharp(levels(9, 5), raw(9, 5)).png().toFile(at("small.png"));
  await expect(readImage(at("small.png"), { maxPixels: 44 })).rejects.toThrow(
    /9x5 pixels, where at most 44 are decoded/,
  );
  expect((await readImage(at("small.png"), { maxPixels: 45 })).width).toBe(9);
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
