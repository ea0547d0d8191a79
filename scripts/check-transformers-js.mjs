// Exports models to ONNX, asks transformers.js about a picture, and compares logits, ids and text with @kd/mllm's.
//   npm run test:transformers-js [-- 4.3.1]      fetches each version once, 0.5 GB
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTokenizer } from "../packages/data/dist/index.js";
import { createLlava, generate } from "../packages/mllm/dist/index.js";
import { loadLlava } from "../packages/mllm/dist/node/index.js";
import { exportOnnx } from "../packages/onnx-export/dist/node/index.js";
import { linear, useBackend } from "../packages/tensor-core/dist/index.js";
import { onnxModels } from "./onnx-models.mjs";
import { orExplain, root, toolsFolder } from "./tools-folder.mjs";

const sharp = createRequire(join(root, "packages/data/package.json"))("sharp");
const VERSIONS = ["4.3.1", "3.8.1"];
const NEW_TOKENS = 12;
/** Greatest difference of a logit over the greatest one. */
const LARGEST_ERROR = 1e-5;
/** Where the two best logits are closer than this, the choice says nothing. */
const LEAST_MARGIN = 5e-3;
const MEANS = {
  SiglipImageProcessor: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  CLIPImageProcessor: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
};

/** With "fp16" matrices are rounded as the export rounds them. */
async function loadRounded(folder, dtype) {
  const model = await loadLlava(folder);
  if (dtype === "fp32") return model;
  const { params } = await loadLlava(folder, { keep: "fp16" });
  const mixed = [...model.params].map(([name, value]) => [name, value.rank > 1 ? params.get(name) : value]);
  return createLlava({ config: model.config, params: new Map(mixed) });
}

/** What @kd/mllm makes of the same question and picture: ids of the prompt, its logits, the answer, and the margin of every choice. */
async function ours({ folder, levels, side }, { dtype, prompt }) {
  const model = await loadRounded(folder, dtype);
  const json = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const tokenizer = createTokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
  const { mean, std } = MEANS[json("preprocessor_config.json").image_processor_type];
  const pixels = Float32Array.from(levels, (level, i) => (level / 255 - mean[i % 3]) / std[i % 3]);
  const { vision_config: vision, image_token_index: image, vision_feature_select_strategy: strategy } = model.config;
  const classToken = json("config.json").vision_config.model_type === "clip_vision_model" ? 1 : 0;
  const tokens = Math.floor(side / vision.patch_size) ** 2 + classToken - (strategy === "full" ? 0 : 1);
  const [before, after] = prompt.split("<image>").map((part) => tokenizer.encode(part));
  const promptIds = [...before, ...Array(tokens).fill(image), ...after];
  const batch = (ids) => ({
    inputIds: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(-100),
    attentionMask: new Uint8Array(ids.length).fill(1),
    shape: [1, ids.length],
    imageSpans: [{ sample: 0, start: before.length, length: tokens, image: 0 }],
    images: { kind: "pixels", data: pixels, shape: [1, side, side, 3] },
  });
  const eosTokenIds = [json("generation_config.json").eos_token_id];
  const [ids] = await generate(model, batch(promptIds), { maxNewTokens: NEW_TOKENS, eosTokenIds });
  const logits = linear(model.forward(batch([...promptIds, ...ids])).hidden, model.head);
  const width = logits.shape[2];
  const values = await logits.data();
  const margins = Array.from({ length: ids.length + 1 }, (_, i) => {
    const at = (promptIds.length + i - 1) * width;
    const [best, next] = [...values.subarray(at, at + width)].sort((a, b) => b - a);
    return best - next;
  });
  return { promptIds, ids, text: tokenizer.decode(ids), margins, logits: values.subarray(0, promptIds.length * width) };
}

function compare(mine, theirs, eos) {
  const problems = [];
  const say = (what, expected, got) => problems.push(`${what}: expected ${expected}, got ${got}`);
  if (mine.promptIds.join() !== theirs.promptIds.join()) say("ids of the prompt", mine.promptIds, theirs.promptIds);
  const largest = mine.logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const error = mine.logits.reduce((most, x, i) => Math.max(most, Math.abs(x - theirs.logits[i])), 0) / largest;
  if (theirs.logits.length !== mine.logits.length || !(error < LARGEST_ERROR))
    say("logits", `${mine.logits.length} within ${LARGEST_ERROR}`, `${theirs.logits.length} within ${error}`);
  for (const row of theirs.twice) if (row.join() !== theirs.ids.join()) say("ids in a batch of two", theirs.ids, row);
  const unsure = mine.margins.findIndex((margin) => margin < LEAST_MARGIN);
  const sure = unsure < 0 ? NEW_TOKENS : unsure;
  const answered = theirs.ids.filter((id) => id !== eos);
  if (mine.ids.slice(0, sure).join() !== answered.slice(0, sure).join()) say("ids", mine.ids, theirs.ids);
  const text = theirs.text.replace("<eos>", "").trim();
  if (unsure < 0 && mine.text.trim() !== text) say("text", mine.text, text);
  return { problems, error, sure: Math.min(sure, mine.ids.length) };
}

/** Asks in another process, as each version brings its ONNX Runtime. */
function ask(version, args) {
  const folder = toolsFolder(`transformers-js-${version}`, [`@huggingface/transformers@${version}`]);
  const command = [join(root, "scripts/ask-transformers-js.mjs"), folder, ...args, String(NEW_TOKENS)];
  const printed = execFileSync(process.execPath, command, { encoding: "utf8", maxBuffer: 2 ** 28 });
  return JSON.parse(/^ANSWER (.*)$/m.exec(printed)[1]);
}

async function check(versions) {
  const work = mkdtempSync(join(tmpdir(), "kd-onnx-"));
  await useBackend({ engine: "wasm", blas: false });
  let failures = 0;
  try {
    for (const model of await onnxModels(work)) {
      const { name, folder, side, levels, question, options } = model;
      const picture = join(work, `${name}.png`);
      await sharp(levels, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toFile(picture);
      const { eos_token_id: eos } = JSON.parse(readFileSync(join(folder, "generation_config.json"), "utf8"));
      for (const dtype of ["fp32", "fp16"]) {
        const out = `${name}-${dtype}`;
        await exportOnnx(folder, join(work, out), { dtype, ...options });
        const said = name === "llava_new_names" ? "default" : dtype; // the folder names its type, too
        for (const version of versions) {
          if (options.numLogitsToKeep && version.startsWith("3.")) continue; // it says what is missing, and stops
          const theirs = ask(version, [work, out, said, picture, question]);
          const mine = await ours(model, { dtype, prompt: theirs.prompt });
          const { problems, error, sure } = compare(mine, theirs, eos);
          failures += problems.length;
          console.log(
            `${problems.length === 0 ? "same" : "DIFFERS"}: ${name} ${dtype}, transformers.js ${version}: logits ${theirs.shape.join("×")} within ${error.toExponential(1)} of the greatest, ${sure} ids: "${theirs.text}"`,
          );
          for (const problem of problems) console.log(`  ${problem}`);
        }
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`check-transformers-js: ${failures} differences`);
  process.exitCode = failures === 0 ? 0 : 1;
}

const versions = process.argv.slice(2);
const unknown = versions.find((version) => !/^\d+\.\d+\.\d+$/.test(version));
if (unknown !== undefined) {
  console.error(`check-transformers-js: expected versions of @huggingface/transformers, got ${unknown}`);
  process.exit(2);
}
await orExplain(() => check(versions.length > 0 ? versions : VERSIONS));
