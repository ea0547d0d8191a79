// Indexing, warm start and loader wait on made-up data.
//   npm run bench:data [-- --records 1200000 --keep]
import { spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { records: { type: "string", default: "1200000" }, keep: { type: "boolean" }, child: { type: "string" } },
});
const count = Number(values.records);
const folder = join(tmpdir(), "kd-bench-data");
const file = join(folder, `llava-${count}.json`);
const { createEncoder, createLoader, openSource } = await import("../packages/data/dist/node/index.js");
const sharp = createRequire(new URL("../packages/data/package.json", import.meta.url))("sharp");

/** A small generator of its own: the file is the same on every machine. */
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const words =
  'the a picture shows two red cats on green grass near an old house with people and \\"quoted\\" signs é 猫'.split(
    " ",
  );

/** Two to eight turns, some 1,100 bytes, every sixteenth without a picture: as the 665k file. */
function record(i, draw) {
  const turns = [];
  const rounds = 1 + draw(4);
  for (let round = 0; round < rounds; round++) {
    const text = (length) => Array.from({ length }, () => words[draw(words.length)]).join(" ");
    const tag = round === 0 && i % 16 !== 0 ? "<image>\\n" : "";
    turns.push(
      `{"from": "human", "value": "${tag}${text(8 + draw(12))}"}`,
      `{"from": "gpt", "value": "${text(20 + draw(90))}"}`,
    );
  }
  const image = i % 16 === 0 ? "" : `"image": "images/${i % 64}.png", `;
  return `  {"id": "${String(i).padStart(9, "0")}", ${image}"conversations": [${turns.join(", ")}]}`;
}

async function makeFile() {
  if (existsSync(file)) return;
  mkdirSync(folder, { recursive: true });
  const out = createWriteStream(file);
  const draw = numbers(1);
  for (let i = 0; i < count; i += 1000) {
    const some = Array.from({ length: Math.min(1000, count - i) }, (_, k) => record(i + k, draw)).join(",\n");
    if (!out.write(`${i === 0 ? "[\n" : ",\n"}${some}`)) await new Promise((resolve) => out.once("drain", resolve));
  }
  out.end("\n]\n");
  await new Promise((resolve) => out.once("finish", resolve));
}

const seconds = (since) => Number(((performance.now() - since) / 1000).toFixed(2));
const cpuSeconds = () => Number((process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6).toFixed(1));
const peakMb = () => Math.round(process.resourceUsage().maxRSS / 1024);

const template = { name: "bench", system: "", user: "Q: ", assistant: " A:", beforeAnswer: " ", afterAnswer: " <eos>" };

const siglip = (side) => ({ image_processor_type: "SiglipImageProcessor", size: { height: side, width: side } });

/** Pictures of one side and 320 records about them, whose words are the tokens. */
async function makePictures(side, format) {
  const place = join(folder, `${format}-${side}`);
  mkdirSync(place, { recursive: true });
  const vocab = {
    "<unk>": 0,
    "<eos>": 1,
    "Q:": 2,
    "A:": 3,
    ...Object.fromEntries(words.map((word, i) => [word, 4 + i])),
  };
  const model = { type: "WordLevel", vocab, unk_token: "<unk>" };
  writeFileSync(
    join(place, "tokenizer.json"),
    JSON.stringify({
      version: "1.0",
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: null,
      decoder: null,
      model,
    }),
  );
  const draw = numbers(2);
  for (let i = 0; i < 64; i++) {
    const data = Uint8Array.from(
      { length: side * side * 3 },
      (_, k) => (draw(16) + i * 3 + Math.floor(k / side)) % 256,
    );
    await sharp(data, { raw: { width: side, height: side, channels: 3 } })
      .toFormat(format)
      .toFile(join(place, `${i}.${format}`));
  }
  const records = Array.from({ length: 320 }, (_, i) => ({
    id: i,
    image: `${i % 64}.${format}`,
    conversations: [
      { from: "human", value: `<image>\n${words.slice(0, 8).join(" ")}` },
      { from: "gpt", value: words.slice(0, 4 + draw(12)).join(" ") },
    ],
  }));
  writeFileSync(join(place, "train.json"), JSON.stringify(records));
  return place;
}

/** Share of the time that a loop waits for its batches; the step keeps the main thread busy, as a training step does. */
async function waitShare({ side, format, imageSize, stepMs, workers, pixels = true }) {
  const place = await makePictures(side, format);
  const source = await openSource(join(place, "train.json"));
  const options = {
    tokenizer: place,
    template,
    imageTokenId: 30,
    imageTokens: 16,
    padId: 0,
    vocabSize: 64,
    processor: siglip(imageSize),
    pixels,
  };
  const loader = await createLoader([{ source }], { encoder: { options }, batchSize: 16, seed: 0, workers });
  let [first, steps, since] = [0, 0, performance.now()];
  for await (const _ of loader) {
    if (++steps === 1) first = loader.stats().waitedMs;
    const until = performance.now() + stepMs;
    while (performance.now() < until);
    await new Promise((resolve) => setImmediate(resolve)); // a step reads its loss
    if (steps === (stepMs > 1000 ? 8 : 40)) break;
  }
  const all = performance.now() - since;
  await source.close();
  const { waitedMs } = loader.stats();
  const share = (ms) => `${((100 * ms) / all).toFixed(2)} %`;
  return {
    side,
    format,
    imageSize,
    pixels,
    stepMs,
    workers,
    steps,
    msAStep: Math.round(all / steps),
    firstBatchMs: Math.round(first),
    wait: share(waitedMs),
    waitAfterFirst: share(waitedMs - first),
  };
}

/** Each measurement in a process of its own, so that a peak is its own. */
const children = {
  index: async () => {
    const since = performance.now();
    const source = await openSource(file);
    return {
      records: source.length,
      textOnly: source.lengths.filter((n) => n < 0).length,
      seconds: seconds(since),
      cpuSeconds: cpuSeconds(),
      peakMb: peakMb(),
    };
  },
  warm: async () => {
    const since = performance.now();
    const source = await openSource(file, { imageFolder: folder });
    const opened = seconds(since);
    const module = new URL("./bench-data-encoder.mjs", import.meta.url).href;
    const loader = await createLoader([{ source }], {
      encoder: { module, options: {} },
      batchSize: 16,
      seed: 0,
      workers: 1,
    });
    for await (const { records } of loader)
      return {
        opened,
        firstBatch: seconds(since),
        cpuSeconds: cpuSeconds(),
        records: records.length,
        peakMb: peakMb(),
      };
  },
  encode: async () => {
    const found = [];
    for (const { side, format, imageSize, pixels } of [
      { side: 72, format: "png", imageSize: 64, pixels: false },
      { side: 72, format: "png", imageSize: 64, pixels: true },
      { side: 480, format: "jpeg", imageSize: 384, pixels: true },
    ]) {
      const place = await makePictures(side, format);
      const source = await openSource(join(place, "train.json"));
      const encoder = await createEncoder({
        tokenizer: place,
        template,
        imageTokenId: 30,
        imageTokens: 16,
        padId: 0,
        vocabSize: 64,
        processor: siglip(imageSize),
        pixels,
      });
      const encode = async (from, to) => {
        for (let i = from; i < to; i++) await encoder.encode(await source.get(i));
      };
      await encode(0, 16);
      const before = process.cpuUsage();
      await encode(16, 48);
      const { user, system } = process.cpuUsage(before);
      found.push({ side, format, imageSize, pixels, cpuMsASample: Number(((user + system) / 32_000).toFixed(1)) });
      await source.close();
    }
    return found;
  },
  wait: async () => {
    const found = [];
    for (const workers of [1, 2])
      for (const kind of [
        { side: 72, format: "png", imageSize: 64, stepMs: 50, pixels: false },
        { side: 72, format: "png", imageSize: 64, stepMs: 50 },
        { side: 480, format: "jpeg", imageSize: 384, stepMs: 2000 },
      ])
        found.push(JSON.stringify(await waitShare({ ...kind, workers })));
    return `\n${found.join("\n")}`;
  },
};

if (values.child !== undefined) {
  const found = await children[values.child]();
  console.log(typeof found === "string" ? found : JSON.stringify(found));
} else {
  console.error(`making ${file}`);
  await makeFile();
  rmSync(`${file}.kd-index`, { force: true });
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}; ${count} records, ${Math.round(statSync(file).size / 2 ** 20)} MiB`,
  );
  for (const child of Object.keys(children)) {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [import.meta.filename, "--child", child, "--records", values.records],
      { encoding: "utf8" },
    );
    console.log(child, stdout.trim() || stderr);
  }
  if (!values.keep) rmSync(folder, { recursive: true });
}
