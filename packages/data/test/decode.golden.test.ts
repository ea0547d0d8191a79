import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readImage } from "../src/node/index.ts";

const folder = join(process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"), "images");
const bytes = readFileSync(join(folder, "expected.safetensors"));
const start = 8 + Number(bytes.readBigUInt64LE(0));
const header = JSON.parse(bytes.toString("utf8", 8, start));
const { files } = JSON.parse(readFileSync(join(folder, "images.json"), "utf8"));

it.each<string>(files.map((f: { file: string }) => f.file))("decodes %s", async (file: string) => {
  for (const exif of [false, true]) {
    const entry = header[`${file}.rgb${exif ? "_exif" : ""}`] ?? header[`${file}.rgb`];
    const want = bytes.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1]);
    const got = await readImage(join(folder, file), { exif });
    expect([got.height, got.width, 3]).toEqual(entry.shape);
    const worst = got.data.reduce((most, level, i) => Math.max(most, Math.abs(level - (want[i] ?? 999))), 0);
    expect(worst).toBeLessThanOrEqual(/\.jpe?g$/.test(file) ? 4 : 0);
  }
});

it("names a missing or broken file", async () => {
  await expect(readImage(join(folder, "absent.png"))).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringContaining("absent.png"),
  });
  await expect(readImage(join(folder, "images.json"))).rejects.toMatchObject({ code: "KD_DATA" });
});
