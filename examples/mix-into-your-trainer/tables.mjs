// The recipe's pictures as plain arrays: what write-tables.js of examples/emoji-recipe left in data/.
import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`data/${name}`, import.meta.url));
export const json = (name) => JSON.parse(read(name).toString("utf8"));
export const floats = (name) => new Float32Array(new Uint8Array(read(name)).buffer);

/** Pictures of one part, `pixels [n, 16·16·3]` in [-1, 1]; `test` is a vendor that nothing was trained on. */
export function pictures(part) {
  const { pictures, width, groups, words } = json("pictures.json");
  const all = floats("pixels.f32");
  const chosen = [...pictures.keys()].filter((i) => pictures[i].part === part);
  const pixels = new Float32Array(chosen.length * width);
  for (const [row, i] of chosen.entries()) pixels.set(all.subarray(i * width, (i + 1) * width), row * width);
  return { pixels, width, groups, words, pictures: chosen.map((i) => pictures[i]), count: chosen.length };
}

/** Numbers in [0, 1) from a seed: every run of an example is the same. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
