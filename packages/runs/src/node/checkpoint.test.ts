import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkpointPath, latestCheckpoint, readCheckpoint, readCheckpointPlace, writeCheckpoint } from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kd-checkpoint-"));
});
afterAll(() => rm(folder, { recursive: true }));

const place = {
  step: 7,
  stage: "dft",
  stageStep: 2,
  best: { score: 0.5, step: 4 },
  environment: { engine: "wasm", threads: 2 },
};
const training = {
  tensors: new Map([
    ["param.a", { shape: [2, 2], data: Float32Array.of(1, -0, 3.25, 1e-30) }],
    ["m.a", { shape: [], data: Float32Array.of(Number.NaN) }],
    ["empty", { shape: [0, 3], data: new Float32Array(0) }],
  ]),
  state: { step: 2, keeps: { data: [1, 2 ** 32 - 1] } },
};

it("gives back every bit, and is a folder under its own name alone", async () => {
  const path = checkpointPath(folder, 7);
  await writeCheckpoint(path, { ...place, training });
  expect(await readCheckpoint(path)).toEqual({ ...place, path, training });
  expect(Object.is((await readCheckpoint(path)).training.tensors.get("param.a")?.data[1], -0)).toBe(true);
  expect(await readCheckpointPlace(path)).toEqual(place);
  expect(await readdir(folder)).toEqual(["step-00000007"]);
  expect((await readdir(path)).sort()).toEqual(["manifest.json", "state.json", "tensors.safetensors"]);
});

it("is read as it was written or refused by name, whatever happens to its bytes", async () => {
  const path = checkpointPath(folder, 8);
  await writeCheckpoint(path, { ...place, training });
  const whole = await readCheckpoint(path);
  const files = new Map(
    await Promise.all((await readdir(path)).map(async (name) => [name, await readFile(join(path, name))] as const)),
  );
  const damage = fc.record({
    name: fc.constantFrom(...files.keys()),
    at: fc.nat(),
    kind: fc.constantFrom("flip", "cut", "grow", "none"),
    bit: fc.nat(7),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ name, at, kind, bit }) => {
      const before = files.get(name) as Buffer;
      const bytes = Buffer.from(before);
      const position = at % bytes.length;
      bytes[position] = (bytes[position] as number) ^ (1 << bit);
      const file = join(path, name);
      if (kind === "none") await rm(file);
      else
        await writeFile(
          file,
          { flip: bytes, cut: before.subarray(0, position), grow: Buffer.concat([before, bytes]) }[kind],
        );
      try {
        expect(await readCheckpoint(path)).toEqual(whole); // a space of the manifest may be another space
        expect(name).toBe("manifest.json");
      } catch (error) {
        if (!KdError.is(error)) throw error;
        // a manifest that says something else of a file puts the blame on that file
        expect((error as KdError).message).toContain(name === "manifest.json" ? path : file);
        expect((await latestCheckpoint(folder)).checkpoint?.path).toBe(checkpointPath(folder, 7));
      } finally {
        await writeFile(file, before);
      }
    }),
    { numRuns: 300, seed: 7 },
  );
});

it("refuses a name in a manifest that leads out of the folder", async () => {
  const path = checkpointPath(folder, 9);
  await writeCheckpoint(path, { ...place, training });
  const manifest = await readFile(join(path, "manifest.json"), "utf8");
  await writeFile(join(path, "manifest.json"), manifest.replace("state.json", "../step-00000008/state.json"));
  await expect(readCheckpoint(path)).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringContaining("manifest.json"),
  });
});
