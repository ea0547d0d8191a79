import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { z } from "zod";
import type { Concept } from "./concepts.ts";
import { readPixels, writePixels } from "./picture-cache.ts";
import { PIXELS, rasteriser } from "./rasterise.ts";

/** One drawing: `rgba` is 48×48×4, straight alpha. */
export interface Picture {
  /** `vendor/hex`, as records name it. */
  readonly id: string;
  readonly vendor: string;
  readonly concept: Concept;
  readonly rgba: Uint8Array;
}

const require = createRequire(import.meta.url);
const RENDERING = 1; // raise when the pixels of the same icons change
const BYTES = PIXELS * PIXELS * 4;
const IN_FLIGHT = 8;
const CACHE = fileURLToPath(new URL("../../../../.cache/emoji", import.meta.url));

/**
 * Every vendor's drawing of the given concepts, from a cache file where there is a sound one, else drawn with sharp and
 * cached. The file's name is a hash of the concepts, their icons and the versions of the packages that draw them.
 */
export async function renderPictures({
  concepts,
  cacheFolder = CACHE,
  onProgress,
}: {
  concepts: readonly Concept[];
  /** Default `.cache/emoji` in the repository. */
  cacheFolder?: string;
  /** Called after each picture that had to be drawn. */
  onProgress?: (done: number, total: number) => void;
}): Promise<Picture[]> {
  const drawings = concepts.flatMap((concept) =>
    Object.entries(concept.icons).map(([vendor, icon]) => ({ vendor, concept, icon })),
  );
  const path = join(cacheFolder, `pictures-${cacheKey(drawings)}.bin`);
  let pixels = await readPixels(path, drawings.length * BYTES);
  if (!pixels) {
    pixels = await draw(drawings, onProgress);
    await writePixels(path, pixels);
  }
  const all = pixels;
  return drawings.map(({ vendor, concept }, i) => ({
    id: `${vendor}/${concept.hex}`,
    vendor,
    concept,
    rgba: all.subarray(i * BYTES, (i + 1) * BYTES),
  }));
}

type Drawing = { vendor: string; concept: Concept; icon: string };

async function draw(drawings: Drawing[], onProgress?: (done: number, total: number) => void): Promise<Uint8Array> {
  const vendors = [...new Set(drawings.map((d) => d.vendor))];
  const draws = new Map(vendors.map((vendor) => [vendor, rasteriser(vendor)]));
  const pixels = new Uint8Array(drawings.length * BYTES);
  const queue = drawings.entries();
  let done = 0;
  const worker = async (): Promise<void> => {
    for (const [i, { vendor, icon }] of queue) {
      const picture = await draws.get(vendor)?.(icon);
      if (picture) pixels.set(picture, i * BYTES);
      onProgress?.(++done, drawings.length);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return pixels;
}

function cacheKey(drawings: Drawing[]): string {
  const version = (vendor: string): string =>
    z.object({ version: z.string() }).parse(require(`@iconify-json/${vendor}/package.json`)).version;
  const vendors = [...new Set(drawings.map((d) => d.vendor))].map((vendor) => [vendor, version(vendor)]);
  const icons = drawings.map(({ vendor, concept, icon }) => [vendor, concept.hex, icon]);
  const whole = JSON.stringify([RENDERING, PIXELS, sharp.versions, vendors, icons]);
  return createHash("sha256").update(whole).digest("hex").slice(0, 16);
}
