import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SourceRecord } from "@kd/data";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunConfig } from "../src/train/config.ts";
import { createFeatureStore, type FeatureStore } from "../src/train/feature-store.ts";
import { createEncoder, type Picture } from "../src/train/step-encoder.ts";
import { openStudent, type Student } from "../src/train/student.ts";
import { makeFolders } from "./folders.ts";

let home: string;
let student: Student;
const at = (...names: string[]): string => join(home, ...names);
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "kd-features-"));
  await makeFolders(home);
  student = await openStudent({ student: at("student"), teacher: null, lora: null, seed: 1 } as unknown as RunConfig);
});
afterAll(() => rm(home, { recursive: true }));

/** A record's pictures as a loader's thread makes them. */
async function picturesFor({ kept }: FeatureStore): Promise<readonly Picture[]> {
  const { encode } = await createEncoder({
    tokenizer: at("student"),
    template: {
      name: "own",
      system: "",
      user: "Q: ",
      assistant: " A:",
      beforeAnswer: " ",
      afterAnswer: " <eos>",
      dropQuestion: false,
    },
    imageTokenId: 19,
    imageTokens: 4,
    vocabSize: 20,
    maxLength: 99,
    processor: student.processor.config,
    kept,
  });
  const [value] = JSON.parse(await readFile(at("data.json"), "utf8"));
  return (await encode({ value, where: "data.json[0]", imageFolder: at("pictures") } as SourceRecord)).pictures;
}

it("a picture whose features are on disk is not decoded by a later run, and is where they are damaged", async () => {
  const first = createFeatureStore(student, at("cache"));
  const pictures = await picturesFor(first);
  expect(pictures[0]?.pixels).toHaveLength(8 * 8 * 3);
  const { data: expected } = await first.of(pictures);
  first.close();
  const features = async (): Promise<Float32Array> => {
    const store = createFeatureStore(student, at("cache"));
    const known = await picturesFor(store);
    expect(Buffer.from(known[0]?.pixels as Uint8Array).equals(await readFile(at("pictures", "star.png")))).toBe(true);
    const { data } = await store.of(known);
    store.close();
    return data;
  };
  expect(await features()).toEqual(expected);
  const file = at(
    "cache",
    "features",
    (await readdir(at("cache", "features"))).find((name) => name.endsWith(".data")) as string,
  );
  const bytes = await readFile(file);
  bytes[30] = (bytes[30] as number) ^ 64;
  await writeFile(file, bytes);
  expect(await features()).toEqual(expected);
});
