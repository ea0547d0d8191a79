import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { concepts } from "./concepts.ts";
import { renderPictures } from "./pictures.ts";
import { rasteriser } from "./rasterise.ts";

const cacheFolder = await mkdtemp(join(tmpdir(), "emoji-"));
afterAll(() => rm(cacheFolder, { recursive: true, force: true }));
const some = concepts().filter((c) => ["1F34E", "1F436", "2B1B"].includes(c.hex));

async function render(): Promise<{ drawn: number; pictures: Awaited<ReturnType<typeof renderPictures>> }> {
  let drawn = 0;
  const pictures = await renderPictures({ concepts: some, cacheFolder, onProgress: () => drawn++ });
  return { drawn, pictures };
}

test("every vendor's drawing is 48×48 RGBA, drawn once and then read from the cache", async () => {
  const first = await render();
  expect(first.drawn).toBe(some.reduce((sum, c) => sum + Object.keys(c.icons).length, 0));
  expect(first.pictures.every((p) => p.rgba.length === 48 * 48 * 4)).toBe(true);
  const second = await render();
  expect(second).toEqual({ ...first, drawn: 0 });
  expect(await readdir(cacheFolder)).toHaveLength(1);
});

test("the drawing is what its name says", async () => {
  const { pictures } = await render();
  const apple = pictures.find((p) => p.id === "twemoji/1F34E")?.rgba ?? new Uint8Array();
  const middle = [...apple.subarray((26 * 48 + 24) * 4, (26 * 48 + 24) * 4 + 4)];
  expect(middle[0]).toBeGreaterThan(180); // red, opaque
  expect(middle[1]).toBeLessThan(80);
  expect(middle[3]).toBe(255);
  expect(apple[3]).toBe(0); // the corner is empty
});

test("a damaged or cut-off cache is drawn again", async () => {
  const { pictures } = await render();
  const path = join(cacheFolder, (await readdir(cacheFolder))[0] ?? "");
  const good = await readFile(path);
  const bad = Buffer.from(good);
  bad[40_000] = (bad[40_000] ?? 0) ^ 1;
  await writeFile(path, bad);
  const again = await render();
  expect(again.drawn).toBe(pictures.length);
  await truncate(path, 1000);
  expect((await render()).drawn).toBe(pictures.length);
  expect(await readFile(path)).toEqual(good);
  expect(again.pictures).toEqual(pictures);
});

test("an icon that is not there is named", async () => {
  await expect(rasteriser("twemoji")("no-such-icon")).rejects.toThrow('@iconify-json/twemoji: expected icon "no-such');
});
