import { spawnSync } from "node:child_process";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import { record, temporaryFolder } from "../../test/temporary-folder.ts";
import { tokenizerJson } from "../../test/tiny-tokenizer.ts";
import { siglipPixels } from "../index.ts";
import {
  createLoader,
  type DiskSource,
  type LlavaBatch,
  type LoadedBatch,
  type LoaderOptions,
  openSource,
  readImage,
} from "./index.ts";

const { write, picture, path } = temporaryFolder();
const opened: DiskSource[] = [];
afterAll(() => Promise.all(opened.map((each) => each.close())));
const open = async (name: string, text: string): Promise<DiskSource> => {
  const source = await openSource(write(name, text), { name });
  opened.push(source);
  return source;
};
const module = pathToFileURL(join(import.meta.dirname, "../../test/encoder.mjs")).href;
const options = (rest: Partial<LoaderOptions> = {}, encoder: object = {}): LoaderOptions => ({
  encoder: { module, options: encoder },
  batchSize: 3,
  seed: 7,
  epochs: 2,
  ...rest,
});
const source = (name: string, ids: readonly number[]) =>
  open(
    name,
    JSON.stringify(ids.map((id) => record(id, { ...(id % 3 ? { image: "a.png" } : {}), words: 1 + (id % 5) }))),
  );
const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
type Ids = { readonly ids: Int32Array };

async function all(
  sources: Parameters<typeof createLoader>[0],
  rest: LoaderOptions,
): Promise<(LoadedBatch<Ids> & { list: number[] })[]> {
  const found: (LoadedBatch<Ids> & { list: number[] })[] = [];
  for await (const loaded of await createLoader<Ids>(sources, rest))
    found.push({ ...loaded, list: [...loaded.batch.ids] });
  return found;
}

it("gives every record once an epoch, in one order whatever the number of threads", async () => {
  const one = await source("one.json", range(20));
  const batches = await all([{ source: one }], options({ workers: 1, ahead: 1 }));
  expect(
    batches
      .slice(0, 7)
      .flatMap(({ list }) => list)
      .sort((a, b) => a - b),
  ).toEqual(range(20));
  expect(batches.slice(0, 7).flatMap(({ list }) => list)).not.toEqual(batches.slice(7).flatMap(({ list }) => list));
  expect(batches[0]?.records).toEqual(batches[0]?.list.map((id) => `one.json[${id}]`));
  expect(await all([{ source: one }], options({ workers: 3, ahead: 5 }, { slow: true }))).toEqual(batches);
});

it("goes on from every cursor with what an uninterrupted run gives", async () => {
  const sources = [
    { source: await source("a.json", range(8)), weight: 1.5 },
    { source: await source("b.jsonl", range(4, 100)) },
  ];
  const whole = await all(sources, options({ workers: 1, batchSize: 5 }));
  for (const [i, { cursor }] of whole.entries())
    expect(await all(sources, options({ workers: 2, batchSize: 5, cursor }))).toEqual(whole.slice(i + 1));
});

it("shares out to ranks: the same steps, nothing twice", async () => {
  const one = await source("ranks.json", range(23));
  const ranks = await Promise.all(
    [0, 1, 2].map((rank) => all([{ source: one }], options({ workers: 1, epochs: 1, rank, worldSize: 3 }))),
  );
  expect(ranks.map((batches) => batches.length)).toEqual([3, 3, 3]);
  expect(
    ranks
      .flat()
      .flatMap(({ list }) => list)
      .sort((a, b) => a - b),
  ).toEqual(range(23));
  for (const batches of ranks)
    expect(batches.map(({ cursor }) => cursor)).toEqual(ranks[0]?.map(({ cursor }) => cursor));
});

it("makes no more than it was told to ahead, and stops its threads when it is left", async () => {
  const loader = await createLoader<Ids>(
    [{ source: await source("ahead.json", range(30)) }],
    options({ workers: 2, ahead: 2, sampler: "sequential" }),
  );
  for await (const { batch } of loader) {
    expect([...batch.ids]).toEqual([0, 1, 2]);
    break;
  }
  expect(loader.stats()).toMatchObject({ batches: 1, records: 3, skipped: 0 });
  await expect(loader[Symbol.asyncIterator]().next()).rejects.toThrow(/it is closed/);
});

it("a process that leaves it with answers on their way does not end before it is closed", async () => {
  const from = write("leave.json", JSON.stringify(range(12).map((id) => record(id, {}))));
  const script = join(import.meta.dirname, "../../test/leave-early.mjs");
  for (let time = 0; time < 3; time++) {
    const { status, stdout } = spawnSync(process.execPath, [script, from], { encoding: "utf8" });
    expect([status, stdout]).toEqual([0, "closed"]);
  }
});

it.each([
  ["throw", /^f\.json\[5\]: the encoder failed: TypeError: not a function/],
  ["exit", /^(f\.json\[[34]\] or )*f\.json\[5\]: expected a batch, its worker thread left with code 3/],
  [
    "heap",
    /^(f\.json\[[34]\] or )*f\.json\[5\]: expected a batch, its worker thread died: Error .*ERR_WORKER_OUT_OF_MEMORY/,
  ],
  ["start", /Error: no such tokenizer/],
] as const)("names the record over which a thread fails: %s", async (fault, message) => {
  const sources = [{ source: await source("f.json", range(12)) }];
  const rest = options(
    { workers: 2, sampler: "sequential", onBadRecord: "skip", workerMemoryMb: 48 },
    { fault, at: 5 },
  );
  await expect(all(sources, rest)).rejects.toMatchObject({ isKdError: true, message: expect.stringMatching(message) });
});

const llava = (rest: object = {}): LoaderOptions["encoder"] => ({
  options: {
    tokenizer: path,
    template: { name: "t", system: "", user: "Q: ", assistant: " A:", beforeAnswer: " ", afterAnswer: "<eos>" },
    imageTokenId: 9,
    imageTokens: 2,
    padId: 0,
    vocabSize: 11,
    processor: { image_processor_type: "SiglipImageProcessor", size: { height: 8, width: 8 } },
    ...rest,
  },
});
write("tokenizer.json", JSON.stringify(tokenizerJson));
const mixed = (name: string, images: readonly (string | undefined)[]): Promise<DiskSource> =>
  open(name, JSON.stringify(images.map((image, i) => record(i, image === undefined ? {} : { image }))));
const load = async (from: Awaited<ReturnType<typeof mixed>>, rest: Partial<LoaderOptions> = {}) => {
  const loader = await createLoader([{ source: from }], {
    encoder: llava(),
    batchSize: 2,
    seed: 0,
    sampler: "sequential",
    epochs: 1,
    workers: 2,
    ...rest,
  });
  const found: LoadedBatch<LlavaBatch>[] = [];
  for await (const loaded of loader) found.push(loaded);
  return { found, stats: loader.stats() };
};

it("makes token batches with pixels and keys of the pictures", async () => {
  await picture("red.png", 200);
  await picture("sub/dark.png", 20);
  const { found } = await load(await mixed("llava.json", ["red.png", undefined, "sub/dark.png", "red.png"]));
  expect(found.map(({ batch }) => batch.imageSpans.length)).toEqual([1, 2]);
  const [first, second] = found.map(({ batch }) => batch);
  expect(first?.images).toMatchObject({ kind: "pixels", shape: [1, 8, 8, 3] });
  expect(first?.images?.data).toEqual(siglipPixels(await readImage(join(path, "red.png")), { size: 8 }));
  expect(second?.imageKeys[1]).toBe(first?.imageKeys[0]);
  expect(second?.imageKeys[0]).toMatch(/^[0-9a-f]{64}$/);
  const cached = await load(await mixed("cached.json", ["red.png"]), { encoder: llava({ pixels: false }) });
  expect(cached.found[0]?.batch).toMatchObject({ imageKeys: first?.imageKeys });
  expect(cached.found[0]?.batch.images).toBeUndefined();
});

it("stops at a broken picture, or leaves it out and counts it, with the cursor exact", async () => {
  await picture("good.png", 90);
  write("broken.png", "no picture");
  const images = ["good.png", "broken.png", "broken.png", "../x.png", "good.png", "none.png"];
  const from = await mixed("pictures.json", images);
  await expect(load(from)).rejects.toMatchObject({
    code: "KD_DATA",
    message: expect.stringMatching(/^pictures\.json\[1\] image "broken\.png": expected an image that can be decoded/),
  });
  const { found, stats } = await load(from, { onBadRecord: "skip" });
  expect(found.map(({ records }) => records)).toEqual([["pictures.json[0]"], ["pictures.json[4]"]]);
  expect(found.map(({ skipped }) => skipped.map(({ where }) => where))).toEqual([
    ["pictures.json[1]"],
    ["pictures.json[2]", "pictures.json[3]", "pictures.json[5]"],
  ]);
  expect(found.map(({ cursor }) => cursor)).toEqual([
    { epoch: 0, offset: 2 },
    { epoch: 1, offset: 0 },
  ]);
  expect(stats).toMatchObject({ batches: 3, records: 2, skipped: 4, unreadable: 0 });
  await expect(load(from, { onBadRecord: "skip", worldSize: 2, batchSize: 1 })).rejects.toThrow(
    /expected a record for every rank's batch/,
  );
});

it("does not look for ever for a record that can be read", async () => {
  const from = await mixed("nowhere.json", ["none.png", "nor-this.png", "nor-that.png"]);
  await expect(load(from, { onBadRecord: "skip", epochs: Number.POSITIVE_INFINITY })).rejects.toThrow(
    /^nowhere\.json\[0\]: expected a record that can be read, got none in a whole pass/,
  );
});

it("stops when the file is no longer the one that was indexed", async () => {
  const from = await mixed("shorter.json", [undefined, undefined, undefined]);
  truncateSync(join(path, "shorter.json"), 40);
  await expect(load(from, { onBadRecord: "skip" })).rejects.toMatchObject({
    code: "KD_CONFIG",
    message: expect.stringMatching(/^shorter\.json\[\d\]/),
  });
});

it("knows from the index which records are none", async () => {
  const from = await open(
    "none.jsonl",
    `${JSON.stringify(record(0))}\n{"id": 1}\n{"id": \n${JSON.stringify(record(3))}`,
  );
  await expect(load(from)).rejects.toThrow(/^none\.jsonl\[1\] \(id 1\): not a LLaVA record/);
  const { found, stats } = await load(from, { onBadRecord: "skip" });
  expect(found[0]?.records).toEqual(["none.jsonl[0]", "none.jsonl[3]"]);
  expect(stats).toMatchObject({ unreadable: 2, skipped: 0 });
});

it("cuts long samples, and leaves out a picture that would be cut", async () => {
  await picture("good.png", 90);
  const from = await mixed("long.json", ["good.png"]);
  const cut = await load(from, { encoder: llava({ maxLength: 6 }) });
  expect(cut.found[0]?.batch).toMatchObject({ shape: [1, 6], imageKeys: [expect.any(String)] });
  const without = await load(from, { encoder: llava({ maxLength: 2 }) });
  expect(without.found[0]?.batch).toMatchObject({ imageSpans: [], imageKeys: [] });
  expect(without.found[0]?.batch.images).toBeUndefined();
});

it("makes tiles, with a key each, and the same keys without pixels", async () => {
  await picture("good.png", 90);
  const from = await mixed("tiles.json", ["good.png"]);
  const grids = {
    aspectRatio: "anyres",
    processor: {
      image_processor_type: "LlavaNextImageProcessor",
      size: { height: 8, width: 8 },
      crop_size: { height: 8, width: 8 },
      image_grid_pinpoints: [[8, 16]],
    },
  };
  const [tiled, keyed] = [
    await load(from, { encoder: llava(grids) }),
    await load(from, { encoder: llava({ ...grids, pixels: false }) }),
  ];
  expect(tiled.found[0]?.batch.images?.shape).toEqual([3, 8, 8, 3]);
  expect(tiled.found[0]?.batch.imageSpans).toHaveLength(3);
  expect(tiled.found[0]?.batch.imageKeys.map((key) => key.slice(64))).toEqual(["/0", "/1", "/2"]);
  expect(keyed.found[0]?.batch.imageKeys).toEqual(tiled.found[0]?.batch.imageKeys);
});

it("changes its fingerprint with data and order", async () => {
  const prints = new Set<string>();
  for (const [name, rest] of [
    ["p.json", {}],
    ["p.json", { seed: 8 }],
    ["p.json", { batchSize: 4 }],
    ["q.json", {}],
  ] as const) {
    const loader = await createLoader(
      [{ source: await source(name, range(name === "p.json" ? 5 : 6)) }],
      options({ workers: 1, ...rest }),
    );
    prints.add(loader.fingerprint);
    await loader.close();
  }
  expect(prints.size).toBe(4);
  const from = await source("p.json", range(5));
  const print = async (rest: Partial<LoaderOptions>): Promise<string> => {
    const loader = await createLoader([{ source: from }], options({ workers: 1, ...rest }));
    await loader.close();
    return loader.fingerprint;
  };
  expect(await print({ worldSize: 2 })).not.toBe(await print({}));
  expect(await print({ worldSize: 2, batchSize: 1, sampler: "shuffle" })).toBe(await print({ sampler: "shuffle" }));
});

it.each(["shuffle", "modality-length"] as const)(
  "%s: stopped by a broken picture, it goes on by skipping, where all was skipped",
  async (sampler) => {
    await picture("good.png", 90);
    write("broken.png", "no picture");
    const images = range(12).map((i) => (i % 3 === 0 ? undefined : i === 7 ? "broken.png" : "good.png"));
    const from = await mixed("stopped.json", images);
    const rest = { sampler, seed: 3, workers: 1, ahead: 1 };
    const open = (more: Partial<LoaderOptions>) =>
      createLoader([{ source: from }], {
        encoder: llava(),
        batchSize: 2,
        epochs: 2,
        ...rest,
        ...more,
      });
    const stopped = await open({});
    const got: LoadedBatch<unknown>[] = [];
    const ends = async () => {
      for await (const loaded of stopped) got.push(loaded);
    };
    await expect(ends()).rejects.toThrow(/broken\.png/);
    const { cursor } = got.at(-1) ?? { cursor: { epoch: 0, offset: 0 } };
    const skipping = await open({ onBadRecord: "skip", cursor });
    expect(skipping.fingerprint).toBe(stopped.fingerprint);
    for await (const loaded of skipping) got.push(loaded);
    const { found } = await load(from, { ...rest, epochs: 2, onBadRecord: "skip" });
    const places = (list: readonly LoadedBatch<unknown>[]) => list.map(({ records, cursor }) => [records, cursor]);
    expect(places(got)).toEqual(places(found));
    expect(got.some(({ skipped }) => skipped.length > 0)).toBe(true);
  },
);
