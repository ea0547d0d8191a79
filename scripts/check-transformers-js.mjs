// Exports models to ONNX, asks transformers.js about a picture, and compares logits, ids and text with @kd/mllm's.
//   npm run test:transformers-js [-- 4.3.1]      fetches each version once, 0.5 GB
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTokenizer } from "../packages/data/dist/index.js";
import { createLlava, generate, initLlava, parseLlavaConfig } from "../packages/mllm/dist/index.js";
import { loadLlava, saveLlava } from "../packages/mllm/dist/node/index.js";
import { exportOnnx } from "../packages/onnx-export/dist/node/index.js";
import { createRng, linear, useBackend } from "../packages/tensor-core/dist/index.js";
import { orExplain, root, toolsFolder } from "./tools-folder.mjs";

const sharp = createRequire(join(root, "packages/data/package.json"))("sharp");
const VERSIONS = ["4.3.1", "3.8.1"];
const QUESTION = "what is in the picture ?";
const NEW_TOKENS = 12;
/** Greatest difference of a logit over the greatest one. */
const LARGEST_ERROR = 1e-5;
/** Where the two best logits are closer than this, the choice says nothing. */
const LEAST_MARGIN = 5e-3;
const CLIP = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
const SIGLIP = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
/** As large as the recipe's student, with random weights, and weights in files beside the graphs. */
const RECIPE = {
  vision_config: {
    hidden_size: 64,
    intermediate_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    image_size: 32,
    patch_size: 8,
  },
  text_config: {
    vocab_size: 830,
    hidden_size: 64,
    intermediate_size: 192,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  },
  image_token_index: 1,
  vision_feature_select_strategy: "full",
};

/** Folders to export: the golden ones, which lack tokenizer and processor, and a random one. */
async function models(work) {
  const goldens = join(root, "goldens/data/models");
  const folders = [];
  for (const name of readdirSync(goldens).filter((entry) => entry.startsWith("llava_") && !entry.includes("clip"))) {
    cpSync(join(goldens, name), join(work, name), { recursive: true });
    folders.push(name);
  }
  const config = parseLlavaConfig(RECIPE);
  const params = initLlava(config, createRng(1));
  await saveLlava(await createLlava({ config, params }), join(work, "random"));
  folders.push("random");
  for (const name of folders) addFiles(join(work, name));
  return folders;
}

/** A tokenizer of one word an id, and the tower's processor. */
function addFiles(folder) {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const words = Array.from({ length: config.text_config.vocab_size }, (_, id) => `w${id}`);
  for (const [i, word] of [..."<pad> <eos> user assistant :".split(" "), ...QUESTION.split(" ")].entries())
    words[i + 20] = word;
  words[config.image_token_index] = "<image>";
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added_tokens = ["<pad>", "<eos>", "<image>"].map((content) => ({ id: vocab[content], content, ...flags }));
  added_tokens.sort((a, b) => a.id - b.id);
  const clip = config.vision_config.model_type === "clip_vision_model";
  const { image_size: side } = config.vision_config;
  const files = {
    "tokenizer.json": {
      version: "1.0",
      added_tokens,
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: null,
      decoder: { type: "WordPiece", prefix: "##", cleanup: false },
      model: {
        type: "WordPiece",
        unk_token: "<pad>",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab,
      },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      pad_token: "<pad>",
      eos_token: "<eos>",
      chat_template:
        "{% for message in messages %}{{ message['role'] }} : <image> {{ message['content'] }} {% endfor %}{% if add_generation_prompt %}assistant :{% endif %}",
    },
    "preprocessor_config.json": clip
      ? {
          image_processor_type: "CLIPImageProcessor",
          size: { shortest_edge: side },
          crop_size: { height: side, width: side },
        }
      : { image_processor_type: "SiglipImageProcessor", size: { height: side, width: side } },
    "generation_config.json": { eos_token_id: vocab["<eos>"], pad_token_id: vocab["<pad>"] },
  };
  for (const [name, value] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(value));
}

/** With "fp16" matrices are rounded as the export rounds them. */
async function loadRounded(folder, dtype) {
  const model = await loadLlava(folder);
  if (dtype === "fp32") return model;
  const { params } = await loadLlava(folder, { keep: "fp16" });
  const mixed = [...model.params].map(([name, value]) => [name, value.rank > 1 ? params.get(name) : value]);
  return createLlava({ config: model.config, params: new Map(mixed) });
}

/** What @kd/mllm makes of the same question and picture: ids of the prompt, logits, answer, and the margin of every choice. */
async function ours(folder, { levels, side, dtype }, prompt) {
  const model = await loadRounded(folder, dtype);
  const json = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const tokenizer = createTokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
  const { mean, std } = json("preprocessor_config.json").image_processor_type.startsWith("CLIP") ? CLIP : SIGLIP;
  const pixels = Float32Array.from(levels, (level, i) => (level / 255 - mean[i % 3]) / std[i % 3]);
  const images = { kind: "pixels", data: pixels, shape: [1, side, side, 3] };
  const { vision_config: vision, image_token_index: image, vision_feature_select_strategy: strategy } = model.config;
  const clip = json("config.json").vision_config.model_type === "clip_vision_model";
  const tokens = (vision.image_size / vision.patch_size) ** 2 + (clip ? 1 : 0) - (strategy === "full" ? 0 : 1);
  const [before, after] = prompt.split("<image>").map((part) => tokenizer.encode(part));
  const promptIds = [...before, ...Array(tokens).fill(image), ...after];
  const batch = (ids) => ({
    inputIds: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(-100),
    attentionMask: new Uint8Array(ids.length).fill(1),
    shape: [1, ids.length],
    imageSpans: [{ sample: 0, start: before.length, length: tokens, image: 0 }],
    images,
  });
  const eosTokenIds = [json("generation_config.json").eos_token_id];
  const [ids] = await generate(model, batch(promptIds), { maxNewTokens: NEW_TOKENS, eosTokenIds });
  const { hidden } = model.forward(batch([...promptIds, ...ids]));
  const logits = linear(hidden, model.head);
  const [, , width] = logits.shape;
  const values = await logits.data();
  const row = (at) => values.subarray(at * width, (at + 1) * width);
  const margins = ids.map((_, i) => {
    const [best, next] = [...row(promptIds.length + i - 1)].sort((a, b) => b - a);
    return best - next;
  });
  return { promptIds, ids, text: tokenizer.decode(ids), margins, logits: values.subarray(0, promptIds.length * width) };
}

function differences(mine, theirs) {
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
  const theirIds = theirs.ids.slice(0, mine.ids.length);
  if (mine.ids.slice(0, sure).join() !== theirIds.slice(0, sure).join()) say("ids", mine.ids, theirs.ids);
  if (sure >= mine.ids.length && mine.text.trim() !== theirs.text.trim()) say("text", mine.text, theirs.text);
  return { problems, error, sure: Math.min(sure, mine.ids.length) };
}

async function check(versions) {
  const work = mkdtempSync(join(tmpdir(), "kd-onnx-"));
  await useBackend({ engine: "wasm", blas: false });
  let failures = 0;
  try {
    for (const name of await models(work)) {
      const source = join(work, name);
      const side = JSON.parse(readFileSync(join(source, "config.json"), "utf8")).vision_config.image_size;
      const levels = Uint8Array.from(
        { length: side * side * 3 },
        (_, i) => (i * 37 + (i % 3) * 90 + (i >> 4) * 11) % 256,
      );
      const picture = `${source}.png`;
      await sharp(levels, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toFile(picture);
      for (const dtype of ["fp32", "fp16"]) {
        const out = `${name}-${dtype}`;
        await exportOnnx(source, join(work, out), { dtype, ...(name === "random" ? { largestFile: 200_000 } : {}) });
        for (const version of versions) {
          const folder = toolsFolder(`transformers-js-${version}`, [`@huggingface/transformers@${version}`]);
          const asker = join(root, "scripts/ask-transformers-js.mjs");
          const said = name === "llava_new_names" ? "default" : dtype; // the folder names its type, too
          const asked = [asker, folder, work, out, said, picture, QUESTION, String(NEW_TOKENS)];
          const printed = execFileSync(process.execPath, asked, { encoding: "utf8", maxBuffer: 2 ** 28 });
          const theirs = JSON.parse(/^ANSWER (.*)$/m.exec(printed)[1]);
          const { problems, error, sure } = differences(
            await ours(source, { levels, side, dtype }, theirs.prompt),
            theirs,
          );
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
