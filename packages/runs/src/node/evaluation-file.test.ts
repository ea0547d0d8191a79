import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readEvaluation, writeEvaluation } from "./evaluation-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kd-evaluation-"));
});
afterAll(() => rm(folder, { recursive: true }));

const picture = (values: ArrayLike<number>) => ({
  image: "data:image/png;base64,AA==",
  caption: "a dog",
  matrices: [{ name: "teacher", values }],
});

it("keeps what a page shows, large matrices as means of blocks", async () => {
  expect(await readEvaluation(folder)).toBeUndefined();
  const side = 130; // blocks of 3
  const values = Float32Array.from({ length: side ** 2 }, (_, i) => (Math.floor(i / side) < 3 ? 1 : 1 / 3));
  const samples = {
    note: "n",
    shown: [{ image: "data:image/png;base64,AA==", question: "q", answer: "a", answers: { student: "b" } }],
  };
  await writeEvaluation(folder, { samples, grams: { note: "m", pictures: [picture(values), picture([1, 0, 0, 1])] } });
  const read = await readEvaluation(folder);
  expect(read?.samples).toEqual(samples);
  const [large, small] = read?.grams?.pictures ?? [];
  expect(large?.matrices[0]?.values).toHaveLength(44 ** 2);
  expect(Array.from(large?.matrices[0]?.values ?? []).slice(43, 45)).toEqual([1, 0.3333]);
  expect(small?.matrices[0]?.values).toEqual([1, 0, 0, 1]);
});

it("refuses a file of another form by its name", async () => {
  const path = join(folder, "evaluation.json");
  const whole = JSON.parse(await readFile(path, "utf8"));
  const much = { ...whole, grams: { note: "", pictures: [picture(Array(64 ** 2 + 1).fill(0))] } };
  for (const bad of ["[", JSON.stringify({ samples: { note: 1 } }), JSON.stringify(much)]) {
    await writeFile(path, bad);
    await expect(readEvaluation(folder)).rejects.toMatchObject({
      code: "KD_DATA",
      message: expect.stringContaining("evaluation.json"),
    });
  }
});
