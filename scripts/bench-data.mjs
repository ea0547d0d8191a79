// Indexing, warm start and loader wait on made-up data.
//   npm run bench:data [-- --records 1200000 --keep]
import { spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { records: { type: "string", default: "1200000" }, keep: { type: "boolean" }, child: { type: "string" } },
});
const count = Number(values.records);
const folder = join(tmpdir(), "kd-bench-data");
const file = join(folder, `llava-${count}.json`);
const { createLoader, openSource } = await import("../packages/data/dist/node/index.js");

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
const peakMb = () => Math.round(process.resourceUsage().maxRSS / 1024);

/** Each measurement in a process of its own, so that a peak is its own. */
const children = {
  index: async () => {
    const since = performance.now();
    const source = await openSource(file);
    return {
      records: source.length,
      textOnly: source.lengths.filter((n) => n < 0).length,
      seconds: seconds(since),
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
      return { opened, firstBatch: seconds(since), records: records.length, peakMb: peakMb() };
  },
};

if (values.child !== undefined) console.log(JSON.stringify(await children[values.child]()));
else {
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
